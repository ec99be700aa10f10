# fails: what is the guest's own
# mistake: CR3 exits, as it had to with shadow page tables
s/    case VMM_EXIT_CR4_WRITE:/    case VMM_EXIT_CR3_WRITE:\n&/
