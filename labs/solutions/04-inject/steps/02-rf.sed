# test: an exception in ring 0
# promises: the word at ESP + 8 is 0x2, expected 0x10002
s/no_faults >> delivery->event.vector & 1 ? eflags : eflags | RF;/no_faults ? eflags : 0;/
