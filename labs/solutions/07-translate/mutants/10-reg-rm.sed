# fails: reading segment registers
# mistake: the register is looked for in the wrong field
0,/op->gpr = insn->rm;/s//op->gpr = insn->reg;/
