# fails: data beside code
# mistake: all units of the page die
s/return address < unit->linear + unit->length.*/return unit || address || count;/
