# fails: a read-only page
# mistake: read-only pages are writable
s/return !write || rights \& RW ||/return (void)write, rights \& P ||/
