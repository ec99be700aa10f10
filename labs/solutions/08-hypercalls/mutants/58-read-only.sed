# fails: memory one to one
# mistake: memory is read-only
s/table\[page\] = \(.*\) | P | W;/table[page] = \1 | P;/
