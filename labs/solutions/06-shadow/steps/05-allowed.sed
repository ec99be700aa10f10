# step: allowed
# expect: Module allocator.shadow misbehaved: it filled the shadow for 0x00400000 with the rights 0x7 and 0x5, which refuse the access (error code 0x2) again
# passes: a page of the supervisor
s/fault->large ? RIGHTS : page_rights(answer.table_entry)/page_rights(answer.table_entry)/
s/return directory && !large ? table_rights(entry) : page_rights(entry);/return directory || large ? table_rights(entry) : page_rights(entry);/
s/uint32_t \*page = fault->large ? .*/uint32_t *page = \&answer.table_entry;/
s/uint32_t page = fault->large ? .*/uint32_t page = fault->table_entry;/
s/^    if (!fault->large)$/    if (true)/
s/return change->moved ? 0 : change->rights & now;/return now ? change->rights : change->rights;/
/^    if (fault->traced) {/,/^    }/d
/^    if (write && !(answer.directory_rights & RW))/,+3d
