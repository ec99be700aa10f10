# fails: the first pages
# mistake: 4 MB at once, where frames are scattered
s/fault->new_table | EVERYTHING/fault->new_table | EVERYTHING | 0x80/
