# fails: a TSS with a bad stack
# mistake: a read-only stack is taken
s/ || !(data\[1\] & WRITABLE)//
