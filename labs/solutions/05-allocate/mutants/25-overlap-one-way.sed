# fails: first come, first served
# mistake: a grant that begins before the other does not overlap
s/return contains(a, b->first) || contains(b, a->first);/return contains(a, b->first);/
