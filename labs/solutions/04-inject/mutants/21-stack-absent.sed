# fails: a TSS with a bad stack
# mistake: a stack that is not present is #NP
s/raise(delivery, STACK, code/raise(delivery, NOT_PRESENT, code/
