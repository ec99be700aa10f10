# fails: hidden page faults
# mistake: a write that faults is the guest's
s/: VMM_DECIDE_ALLOCATE/: trap->error_code \& 2 ? VMM_DECIDE_REFLECT : VMM_DECIDE_ALLOCATE/
