# fails: entries as they were written
# mistake: a directory stays writable
/^void directory_begin/,/^}/s/map_own(frame, P)/map_own(frame, P | W)/
