# fails: memory one to one
# mistake: the first tables map themselves writable
/\[table >> 22\]\[table >> 12/d
