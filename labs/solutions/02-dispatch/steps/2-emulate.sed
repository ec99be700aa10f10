# step: what is privileged is the interpreter's
# passes: privileged instructions in ring 0
# passes: divide error
# expect: CPL is 0x0, expected 0x3
s/return trap->monitor .*/return VMM_DECIDE_ALLOCATE;/
/case INVALID_TSS:/d
/case NOT_PRESENT:/d
/case STACK:/d
