# fails: privileged
# mistake: one state that traps in u is enough
/^static bool privileged/,/^}/s/            return false;/            continue;/
