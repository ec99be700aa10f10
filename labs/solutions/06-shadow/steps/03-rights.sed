# test: a read, then a write
# promises: the registers are right; memory, a device or the interrupt shadow is not
s/if (!(entry & P) || !(entry & A))/if (!(entry \& P))/
s/return entry & D ? rights : rights & ~(uint32_t)RW;/return rights;/
s/return entry & P && entry & A ? entry/return entry \& P ? entry/
