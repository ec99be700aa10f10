# test: an exception in ring 0
# promises: the word at ESP + 8 is 0x2, expected 0x10002
s/return fault ? eflags | RF : eflags;/return fault ? eflags : eflags;/
