# fails: writes to the first and last byte of a unit
# mistake: a unit survives its last byte
s/address < unit->linear + unit->length/address + 1 < unit->linear + unit->length/
