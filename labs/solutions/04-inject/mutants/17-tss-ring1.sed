# fails: an exception in ring 3: the stack switch
# mistake: the stack of ring 1 is taken
s/offset = 4 + ring \* 8u/offset = 12 + ring * 8u/
