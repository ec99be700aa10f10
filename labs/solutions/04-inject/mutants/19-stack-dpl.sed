# fails: a TSS with a bad stack
# mistake: the stack's DPL is not looked at
s/ || dpl(data\[1\]) != ring//
