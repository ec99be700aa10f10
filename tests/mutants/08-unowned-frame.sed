# file: allocator/shadow.c
# property: resource control
# mistake: the page of the guest's code is mapped to a table of the VMM's
s|return machine == FRAMES_NONE ? shadow->nowhere : machine;|return guest >> 12 == 0x100 ? shadow->table[0].machine : machine == FRAMES_NONE ? shadow->nowhere : machine;|
