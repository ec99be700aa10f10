# fails: into ring 3 and back
# mistake: user page faults are the guest's
s/: VMM_DECIDE_ALLOCATE/: trap->ring == 3 ? VMM_DECIDE_REFLECT : VMM_DECIDE_ALLOCATE/
