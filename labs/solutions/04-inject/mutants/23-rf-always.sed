# fails: the EFLAGS that are pushed
# mistake: RF is set for traps and interrupts, too
s/return fault ? eflags | RF : eflags;/return fault ? eflags | RF : eflags | RF;/
