# fails: undefined instructions
# mistake: #UD is not seen
s/    case VMM_EXIT_EXCP0 + 6: return true/    case VMM_EXIT_EXCP0 + 30: return true/
