# step: window
# expect: Module dispatcher.hardware misbehaved: it called an instruction done where none has exited (EXITCODE 0x46)
# passes: a kernel with processes
s/return inject(exit, EXCEPTION, 6);/return VMM_EXIT_EMULATE;/
/^    if (fault->log/,+1d
/^    if (fault->table_entry & P)/,+1d
s/return work->cpuid + .*/return work ? 0 : 0;/
