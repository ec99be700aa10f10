# fails: who the processor is
# mistake: CPUID is taken for two bytes, whatever is before it
s/r->eip += exit->length/r->eip += 2/
