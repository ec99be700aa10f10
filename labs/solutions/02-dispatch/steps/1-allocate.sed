# step: page faults are the allocator's
# passes: hidden page faults
# expect: Instruction 3 of the guest 02-privileged.S
s/, STACK = 12, PROTECTION = 13//
s/INVALID_TSS = 10, NOT_PRESENT = 11/PAGE = 14/
s/, PAGE = 14 }/ }/
s/return trap->monitor .*/return VMM_DECIDE_ALLOCATE;/
/case INVALID_TSS:/,/sensitive ?/d
