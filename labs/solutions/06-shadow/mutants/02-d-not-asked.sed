# fails: a read, then a write
# mistake: a page is writable before D is set
s/return entry \& D ? rights : rights \& ~(uint32_t)RW;/return rights;/
