# fails: code that writes its next instruction
# mistake: units never die
s/return address < unit->linear + unit->length.*/return !unit \&\& (address || count);/
