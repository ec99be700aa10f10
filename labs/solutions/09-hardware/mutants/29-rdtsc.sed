# fails: what is the guest's own
# mistake: RDTSC exits
s/    case VMM_EXIT_CR4_WRITE:/    case VMM_EXIT_RDTSC:\n&/
