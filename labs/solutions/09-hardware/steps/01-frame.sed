# step: frame
# expect: Module dispatcher.hardware misbehaved: it led the directory entry for 0x... to 0xfffff000; its table is at 0x...
s/answer.directory_entry = fault->directory_entry;/answer.directory_entry = fault->new_table | EVERYTHING;/
/^    if (fault->frame == VMM_NO_FRAME)/,+1d
/^static bool intercept/,/^}/s/^    switch (code) {$/    if (code != VMM_EXIT_VMRUN)\
        return false;\
&/
s/case VMM_EXIT_IOIO: return port(exit);/case VMM_EXIT_IOIO: return VMM_EXIT_MISSING;/
/^    if (exit->info1 & 1 << 2)/,+1d
s/^    r->eip += exit->length;/    r->eip += 0;/
s/case VMM_EXIT_HLT: return VMM_EXIT_IDLE;/case VMM_EXIT_HLT: return VMM_EXIT_MISSING;/
s/return inject(exit, EXTERNAL, exit->vector);/return VMM_EXIT_EMULATE;/
s/return window->v_intr | VMM_V_IRQ;/return window->v_intr;/
s/return inject(exit, EXCEPTION, 6);/return VMM_EXIT_EMULATE;/
/^    if (fault->log/,+1d
/^    if (fault->table_entry & P)/,+1d
s/return work->cpuid + .*/return work ? 0 : 0;/
