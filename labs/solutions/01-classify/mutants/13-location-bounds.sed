# fails: location sensitive
# mistake: out of bounds at another R is a difference
s/if (here == MEMORY_TRAPS || there == MEMORY_TRAPS)/if (here == MEMORY_TRAPS)/
