# fails: mode sensitive
# mistake: out of bounds in s is a difference
s/if (in_u != EXECUTES || in_s == MEMORY_TRAPS)/if (in_u != EXECUTES)/
