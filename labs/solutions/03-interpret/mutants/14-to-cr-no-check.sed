# fails: mov to a control register in ring 3
# mistake: ring 3 may write CR2
/outcome mov_to_cr(/,/^}/s/!privileged(guest)/false/
