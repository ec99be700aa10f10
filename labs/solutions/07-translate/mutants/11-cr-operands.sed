# fails: control registers
# mistake: the fields of MOV from CR are exchanged
/^static enum vmm_op_kind read_control/,/^}/{s/op->word = insn->reg;/op->word = insn->rm;/;s/op->gpr = insn->rm;/op->gpr = insn->reg;/;}
