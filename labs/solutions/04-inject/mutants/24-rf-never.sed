# fails: the EFLAGS that are pushed
# mistake: RF is not set for faults
s/return fault ? eflags | RF : eflags;/return fault ? eflags : eflags;/
