# fails: calls and returns
# mistake: CALL pushes its own address
s/op->value = behind;/op->value = insn->address;/
