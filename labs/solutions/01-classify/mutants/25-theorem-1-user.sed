# fails: Theorem 1
# mistake: Theorem 1 is Theorem 3
/^static bool theorem_1/,/^}/s/control_sensitive(m, i) || location_sensitive(m, i) || mode_sensitive(m, i)/user_sensitive(m, i)/
