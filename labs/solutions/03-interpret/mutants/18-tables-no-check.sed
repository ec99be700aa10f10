# fails: lidt in ring 3
# mistake: ring 3 may load the tables
s/!privileged(&call->registers) ||/false ||/
