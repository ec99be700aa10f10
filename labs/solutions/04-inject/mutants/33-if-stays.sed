# fails: interrupt gates and trap gates
# mistake: an interrupt gate leaves IF
s/~(uint32_t)IF;/~(uint32_t)0;/
