# fails: an exception in ring 0
# mistake: only 16 bits of the handler's offset are taken
s/(gate\[1\] & 0xffff0000) | (gate/(gate/
