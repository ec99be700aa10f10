# fails: reading segment registers
# mistake: the selector of SS is read as it is
s/return insn->sreg == CS || insn->sreg == SS;/return insn->sreg == CS;/
