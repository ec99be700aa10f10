# step: strings
# expect: Module dispatcher.hardware misbehaved: it resumed the guest at the instruction that has just exited (EXITCODE 0x72), which would exit again
# passes: strings of input and output
s/^    r->eip += exit->length;/    r->eip += 0;/
s/case VMM_EXIT_HLT: return VMM_EXIT_IDLE;/case VMM_EXIT_HLT: return VMM_EXIT_MISSING;/
s/return inject(exit, EXTERNAL, exit->vector);/return VMM_EXIT_EMULATE;/
s/return window->v_intr | VMM_V_IRQ;/return window->v_intr;/
s/return inject(exit, EXCEPTION, 6);/return VMM_EXIT_EMULATE;/
/^    if (fault->log/,+1d
/^    if (fault->table_entry & P)/,+1d
s/return work->cpuid + .*/return work ? 0 : 0;/
