# fails: invlpg in ring 3
# mistake: ring 3 may invalidate translations
/outcome invlpg(/,/^}/s/!privileged(&call->registers)/false/
