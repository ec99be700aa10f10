# step: privileged
# passes: privileged
# expect: control_sensitive of instruction 0 of machine 0 is missing
/^    \.control_sensitive = /d
/^    \.location_sensitive = /d
/^    \.mode_sensitive = /d
/^    \.user_sensitive = /d
/^    \.theorem_1 = /d
/^    \.theorem_3 = /d
