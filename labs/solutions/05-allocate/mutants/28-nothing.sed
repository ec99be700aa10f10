# fails: a port of one's own
# mistake: no port is allowed
/^static bool allow/,/^}/s/return true;/return false;/
