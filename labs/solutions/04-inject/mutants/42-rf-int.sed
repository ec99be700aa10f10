# fails: the EFLAGS that are pushed
# mistake: INT n pushes RF as it is
s/eflags = delivery->registers.eflags & ~(uint32_t)RF;/eflags = delivery->registers.eflags;/
