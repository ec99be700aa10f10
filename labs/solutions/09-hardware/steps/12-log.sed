# step: log
# expect: Module dispatcher.hardware misbehaved: it cleared A or D of the table entry for 0x00200000
/^    if (fault->table_entry & P)/,+1d
s/return work->cpuid + .*/return work ? 0 : 0;/
