# test: an exception in ring 3: the stack switch
# promises: Module dispatcher.delivery misbehaved: it left SS 0x0023 at CPL 0, which is no stack of this ring
s/bool inward = ring < guest->cpl;/bool inward = false;/
