# fails: hidden page faults
# mistake: page faults are the guest's
s/: VMM_DECIDE_ALLOCATE/: VMM_DECIDE_REFLECT/
