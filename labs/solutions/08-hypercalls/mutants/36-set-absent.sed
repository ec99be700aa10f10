# fails: entries as they were written
# mistake: what is no address is translated
s/value \& P ? to_machine(value) : value);/value ? to_machine(value \& 0x7FFFFF) : value);/
