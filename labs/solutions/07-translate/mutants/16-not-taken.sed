# fails: conditional jumps
# mistake: a branch goes on behind itself
s/op->target = behind + insn->immediate;/op->target = insn->kind == VMM_CODE_JCC ? behind : behind + insn->immediate;/
