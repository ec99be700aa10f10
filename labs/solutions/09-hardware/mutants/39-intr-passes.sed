# fails: an interrupt in the middle
# mistake: interrupts go to the guest
/    case VMM_EXIT_INTR: \/\*/d
