# fails: the first pages
# mistake: no page is writable
s/uint32_t rights = EVERYTHING/uint32_t rights = P | US/
