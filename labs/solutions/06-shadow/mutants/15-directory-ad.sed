# fails: a write
# mistake: D is set in the directory, and A not in the entry
s/uint32_t \*page = fault->large ?/uint32_t *page = write ?/
