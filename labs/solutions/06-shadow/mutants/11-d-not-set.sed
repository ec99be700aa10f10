# fails: a write
# mistake: D is not set
s/\*page |= D;/*page |= A;/
