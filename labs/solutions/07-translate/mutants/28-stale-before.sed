# fails: data beside code
# mistake: a unit dies with the byte before it
s/unit->linear < address + count/unit->linear <= address + count/
