# fails: control sensitive
# mistake: control sensitive is asked of user states only
/^static bool control_sensitive/,/^}/s/nth(m, n, \&s)/nth(m, n, \&s) \&\& !s.supervisor/
