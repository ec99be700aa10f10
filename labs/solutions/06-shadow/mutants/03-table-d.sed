# fails: rights are given
# mistake: a page table is writable only once D is set in the directory
s/return directory \&\& !large ? table_rights(entry) : page_rights(entry);/return directory || large ? page_rights(entry) : page_rights(entry);/
