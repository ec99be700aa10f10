# step: trace
# expect: ECX is 0x..., expected 0x...
s/fault->large ? RIGHTS : page_rights(answer.table_entry)/page_rights(answer.table_entry)/
s/return directory && !large ? table_rights(entry) : page_rights(entry);/return directory || large ? table_rights(entry) : page_rights(entry);/
s/uint32_t \*page = fault->large ? .*/uint32_t *page = \&answer.table_entry;/
s/uint32_t page = fault->large ? .*/uint32_t page = fault->table_entry;/
s/^    if (!fault->large)$/    if (true)/
s/return change->moved ? 0 : change->rights & now;/return now ? change->rights : change->rights;/
