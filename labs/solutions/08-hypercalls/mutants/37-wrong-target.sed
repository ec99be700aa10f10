# fails: two hundred entries
# mistake: every second entry is written to its neighbour
s/put(to_machine((uint32_t)entry),/put(to_machine((uint32_t)entry) \& ~7u,/
