# test: interrupt gates and trap gates
# promises: EFLAGS is 0x202, expected 0x2 (IF)
s/^    guest->eflags &= ~(uint32_t)(TF | NT | RF);//
/^    if ((gate\[1\] >> 8 & 0x1f) == INTERRUPT_GATE)/,+1d
