# step: interrupts
# expect: EIP is 0x..., expected 0x...
# passes: a halt, and an interrupt
# passes: an interrupt in the middle
s/return window->v_intr | VMM_V_IRQ;/return window->v_intr;/
s/return inject(exit, EXCEPTION, 6);/return VMM_EXIT_EMULATE;/
/^    if (fault->log/,+1d
/^    if (fault->table_entry & P)/,+1d
s/return work->cpuid + .*/return work ? 0 : 0;/
