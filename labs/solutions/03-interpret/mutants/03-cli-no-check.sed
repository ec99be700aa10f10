# fails: cli in ring 3
# mistake: CLI does not ask for the privilege level
/outcome cli(/,/^}/s/!may_use_io(&call->registers)/false/
