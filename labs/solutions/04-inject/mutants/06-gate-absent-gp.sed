# fails: a gate that is not present
# mistake: a gate that is not present is #GP
/^static bool read_gate/,/^}/s/NOT_PRESENT/PROTECTION/
