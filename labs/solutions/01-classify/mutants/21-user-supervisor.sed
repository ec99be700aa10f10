# fails: user sensitive
# mistake: user sensitive is asked of all states
/^static bool user_sensitive/,/^}/s/ \&\& !u.supervisor//
