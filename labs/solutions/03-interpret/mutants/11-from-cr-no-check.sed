# fails: mov from a control register in ring 3
# mistake: ring 3 may read CR0
/outcome mov_from_cr(/,/^}/s/!privileged(guest)/false/
