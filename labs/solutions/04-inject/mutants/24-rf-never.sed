# fails: the EFLAGS that are pushed
# mistake: RF is not set for faults
s/? eflags : eflags | RF;/? eflags : eflags;/
