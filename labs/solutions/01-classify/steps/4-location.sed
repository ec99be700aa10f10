# step: location sensitive, R compared
# passes: control sensitive
# expect: location_sensitive of instruction ... is true, expected false: no state shows it
/^    \.mode_sensitive = /d
/^    \.user_sensitive = /d
/^    \.theorem_1 = /d
/^    \.theorem_3 = /d
s/one.p != two.p || one.supervisor/one.p != two.p || one.r != two.r || one.supervisor/
