# fails: who the processor is
# mistake: EIP stays at CPUID
s/r->eip += exit->length/r->eip += 0/
