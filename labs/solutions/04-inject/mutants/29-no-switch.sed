# fails: an exception in ring 3: the stack switch
# mistake: the handler of ring 0 runs on the user's stack
s/bool inward = ring < guest->cpl;/bool inward = false;/
