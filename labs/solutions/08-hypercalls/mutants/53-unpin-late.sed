# fails: a directory becomes data
# mistake: directory_end hands nothing over
/^void directory_end/,/^}/{/entries_done();/d}
