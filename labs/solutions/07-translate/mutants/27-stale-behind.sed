# fails: data beside code
# mistake: a unit dies with the byte behind it
s/address < unit->linear + unit->length/address <= unit->linear + unit->length/
