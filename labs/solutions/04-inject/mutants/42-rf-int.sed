# fails: the EFLAGS that are pushed
# mistake: INT n pushes RF as it is
s/eflags & ~(uint32_t)RF : eflags/eflags : eflags/
