# fails: a page of 4 MB
# mistake: a 4 MB page needs no D
s/return directory \&\& !large ? table/return directory ? table/
