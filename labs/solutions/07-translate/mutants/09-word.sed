# fails: reading segment registers
# mistake: a selector is taken for a control register
0,/op->word = VMM_WORD_SELECTOR + insn->sreg;/s//op->word = insn->sreg;/
