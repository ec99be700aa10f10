# fails: memory one to one
# mistake: the first directory is mapped writable
/\[self >> 22\]\[self >> 12/d
