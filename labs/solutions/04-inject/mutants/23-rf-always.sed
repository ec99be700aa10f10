# fails: the EFLAGS that are pushed
# mistake: RF is set for traps and interrupts, too
s/eflags & ~(uint32_t)RF : eflags;/eflags | RF : eflags;/
