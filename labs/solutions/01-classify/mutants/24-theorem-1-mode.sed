# fails: Theorem 1
# mistake: Theorem 1 without the mode sensitive
s/ || mode_sensitive(m, i);/;/
