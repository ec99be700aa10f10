# fails: what is the guest's own
# mistake: PUSHF exits
s/    case VMM_EXIT_CR4_WRITE:/    case VMM_EXIT_PUSHF:\n&/
