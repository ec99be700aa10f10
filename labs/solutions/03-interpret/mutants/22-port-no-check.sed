# fails: in in ring 3
# mistake: ring 3 may use any port
/outcome port(/,/^}/s/!may_use_io(&call->registers)/false/
