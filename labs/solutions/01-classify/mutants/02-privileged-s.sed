# fails: privileged
# mistake: a trap in s is forgotten
s/in_u != TRAPS || in_s == TRAPS/in_u != TRAPS/
