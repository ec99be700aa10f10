# step: undefined
# expect: Module dispatcher.hardware misbehaved: it made 0x00100000 writable by a read, while writes are logged
# passes: undefined instructions
/^    if (fault->log/,+1d
/^    if (fault->table_entry & P)/,+1d
s/return work->cpuid + .*/return work ? 0 : 0;/
