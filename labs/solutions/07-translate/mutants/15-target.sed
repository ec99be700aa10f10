# fails: jumps
# mistake: a displacement counts from the beginning of the instruction
s/op->target = behind + insn->immediate;/op->target = insn->address + insn->immediate;/
