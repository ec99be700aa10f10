# fails: calls and returns
# mistake: RET releases nothing
s/op->value = insn->immediate;/op->value = 0;/
