# fails: a directory that is none
# mistake: write_cr3 hands nothing over
/^void write_cr3/,/^}/{/entries_done();/d}
