# fails: operands of 16 bits
# mistake: a jump of 16 bits is taken for one of 32
s/if (insn->operand_size != 4)/if (insn->operand_size == 0)/
