# fails: mov from control registers
# mistake: the two operands are exchanged
s/gpr\[call->instruction.rm\];$/gpr[call->instruction.reg];/
