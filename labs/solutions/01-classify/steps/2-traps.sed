# step: privileged, a first version
# expect: privileged of instruction ... is true, expected false
/^    \.control_sensitive = /d
/^    \.location_sensitive = /d
/^    \.mode_sensitive = /d
/^    \.user_sensitive = /d
/^    \.theorem_1 = /d
/^    \.theorem_3 = /d
s/in_u != TRAPS || in_s == TRAPS/in_u != TRAPS/
