# step: absent
# expect: Module allocator.shadow misbehaved: it filled the shadow for 0x00400000 with the rights 0x7 and 0x1, which refuse the access (error code 0x4) again
# passes: an absent page
s/fault->large ? RIGHTS : page_rights(answer.table_entry)/page_rights(answer.table_entry)/
s/return directory && !large ? table_rights(entry) : page_rights(entry);/return directory || large ? table_rights(entry) : page_rights(entry);/
s/uint32_t \*page = fault->large ? .*/uint32_t *page = \&answer.table_entry;/
s/uint32_t page = fault->large ? .*/uint32_t page = fault->table_entry;/
s/^    if (!fault->large)$/    if (true)/
s/return change->moved ? 0 : change->rights & now;/return now ? change->rights : change->rights;/
/^    if (fault->traced) {/,/^    }/d
/^    if (write && !(answer.directory_rights & RW))/,+3d
/^static bool allowed/,/^}/s/^    bool write = .*/    return fault \&\& (rights | 1);\n&/
