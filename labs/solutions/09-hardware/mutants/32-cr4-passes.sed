# fails: control registers
# mistake: CR4 is the guest's own
/    case VMM_EXIT_CR4_WRITE:/d
