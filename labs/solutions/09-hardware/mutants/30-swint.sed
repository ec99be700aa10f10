# fails: user code
# mistake: INT n exits
s/    case VMM_EXIT_CR4_WRITE:/    case VMM_EXIT_SWINT:\n&/
