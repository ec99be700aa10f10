# fails: a table becomes data
# mistake: what was a table stays read-only
/^void table_end/,/^}/s/P | W/P/
