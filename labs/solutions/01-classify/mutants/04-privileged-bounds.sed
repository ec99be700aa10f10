# fails: privileged
# mistake: bounds in supervisor mode count as a trap
/^static bool privileged/,/^}/s/in_u == MEMORY_TRAPS || in_s == MEMORY_TRAPS/in_u == MEMORY_TRAPS/
