# step: #GP has relatives
# passes: into ring 3 and back
# passes: a new segment in ring 3
# passes: a stack that is not present
# expect: The guest raises exceptions for ever and executes no instruction
s/return trap->monitor .*/return VMM_DECIDE_ALLOCATE;/
