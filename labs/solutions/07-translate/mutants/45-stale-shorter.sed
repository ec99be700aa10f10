# fails: writes to the first and last byte of a unit
# mistake: only the first byte of a write is looked at
s/unit->linear < address + count/unit->linear < address + 1/
