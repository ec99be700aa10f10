# fails: what is no gate
# mistake: the S bit of a gate is not looked at
/^static bool read_gate/,/^}/s/0x1f/0xf/
