# fails: out
# mistake: OUT sends EBX
s/\.value = call->registers\.gpr\[EAX\]/.value = call->registers.gpr[3]/
