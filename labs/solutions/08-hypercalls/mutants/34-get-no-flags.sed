# fails: entries as they were written
# mistake: an entry's flags are lost
s/return value \& P ? \(.*\) | (value \& 0xFFF) : value;/return value \& P ? \1 | P : value;/
