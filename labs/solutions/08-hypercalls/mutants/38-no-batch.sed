# fails: two hundred entries
# mistake: a hypercall for each update
s/    if (queued == QUEUE)/    if (queued)/
