# step: the starter
# expect: The machine has no frame for page 0x100 of this virtual machine
