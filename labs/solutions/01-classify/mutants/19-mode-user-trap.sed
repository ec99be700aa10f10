# fails: mode sensitive
# mistake: a trap in u is a difference
s/if (in_u != EXECUTES || in_s == MEMORY_TRAPS)/if (in_s == EXECUTES \&\& in_u == TRAPS) return true; if (in_u != EXECUTES || in_s == MEMORY_TRAPS)/
