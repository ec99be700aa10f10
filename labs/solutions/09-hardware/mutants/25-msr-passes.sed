# fails: model-specific registers
# mistake: MSRs are the machine's
/    case VMM_EXIT_MSR:$/d
