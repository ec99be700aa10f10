# step: the starter
# expect: the guest stops: Module missing: this virtual machine has no interpreter routine for lgdt
