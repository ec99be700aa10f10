# fails: the first pages
# mistake: the directory entry lacks U/S
s/fault->new_table | EVERYTHING/fault->new_table | P | RW/
