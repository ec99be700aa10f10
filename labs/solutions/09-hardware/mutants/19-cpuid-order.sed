# fails: who the processor is
# mistake: EBX and ECX are exchanged
s/r->gpr\[3\] = exit->cpuid\[1\]/r->gpr[3] = exit->cpuid[2]/
