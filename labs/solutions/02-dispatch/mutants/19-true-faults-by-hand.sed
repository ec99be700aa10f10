# fails: cli in ring 3
# mistake: a page fault with the present bit is handed to the guest at once
s/: VMM_DECIDE_ALLOCATE/: trap->error_code \& 1 ? VMM_DECIDE_REFLECT : VMM_DECIDE_ALLOCATE/
