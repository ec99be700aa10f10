# fails: writes to the first and last byte of a unit
# mistake: a write that begins before the unit is not seen
s/unit->linear < address + count/unit->linear <= address/
