# fails: entries as they were written
# mistake: an entry with a guest-physical address
s/value \& P ? to_machine(value) : value);/value);/
