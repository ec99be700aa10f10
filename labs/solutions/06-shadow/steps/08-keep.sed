# step: keep
# expect: CR2 is 0xa10000, expected 0x0
# passes: another page at the same address
# passes: a page becomes a page table
s/fault->large ? RIGHTS : page_rights(answer.table_entry)/page_rights(answer.table_entry)/
s/return directory && !large ? table_rights(entry) : page_rights(entry);/return directory || large ? table_rights(entry) : page_rights(entry);/
s/uint32_t \*page = fault->large ? .*/uint32_t *page = \&answer.table_entry;/
s/uint32_t page = fault->large ? .*/uint32_t page = fault->table_entry;/
s/^    if (!fault->large)$/    if (true)/
