# fails: another page at the same address
# mistake: invlpg hands nothing over
/^void invlpg/,/^}/{/entries_done();/d}
