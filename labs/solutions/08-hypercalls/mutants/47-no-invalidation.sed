# fails: another page at the same address
# mistake: the TLB keeps the old translation
s/    put(VMM_HC_INVALIDATE, address);/    (void)address;/
