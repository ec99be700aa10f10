# step: Theorem 1 without the mode sensitive
# passes: Theorem 3
# expect: theorem_1 of machine ... is true, expected false
s/ || mode_sensitive(m, i);/;/
