# fails: accesses of two and four bytes
# mistake: only the first port of an access is looked at
s/i < access->size/i < 1/
