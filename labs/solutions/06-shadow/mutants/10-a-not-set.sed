# fails: a read
# mistake: A is not set in the entry of the page
s/\*page |= A;/*page |= 0;/
