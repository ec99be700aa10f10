# fails: sti in ring 3
# mistake: STI does not ask for the privilege level
/outcome sti(/,/^}/s/!may_use_io(&call->registers)/false/
