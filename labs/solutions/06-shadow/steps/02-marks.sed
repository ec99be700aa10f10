# step: marks
# expect: the registers are right; memory, a device or the interrupt shadow is not
# passes: a read
s/fault->large ? RIGHTS : page_rights(answer.table_entry)/page_rights(answer.table_entry)/
s/return directory && !large ? table_rights(entry) : page_rights(entry);/return directory || large ? table_rights(entry) : page_rights(entry);/
s/uint32_t \*page = fault->large ? .*/uint32_t *page = \&answer.table_entry;/
s/uint32_t page = fault->large ? .*/uint32_t page = fault->table_entry;/
s/^    if (!fault->large)$/    if (true)/
s/return change->moved ? 0 : change->rights & now;/return now ? change->rights : change->rights;/
/^    if (fault->traced) {/,/^    }/d
/^    if (write && !(answer.directory_rights & RW))/,+3d
/^static bool allowed/,/^}/s/^    bool write = .*/    return fault \&\& (rights | 1);\n&/
/^static struct vmm_shadow_answer ask/,/^}/{
/if (!(fault->directory_entry & P))/,+1d
/if (!(page & P))/,+1d
s/answer.error_code |= FAULT_P;/(void)FAULT_P;/
}
s/if (!(entry & P) || !(entry & A))/if (!(entry \& P))/
s/return entry & D ? rights : rights & ~(uint32_t)RW;/return rights;/
s/return entry & P && entry & A ? entry/return entry \& P ? entry/
