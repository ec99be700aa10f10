# fails: a halt, and an interrupt
# mistake: HLT stops the machine
s/    case VMM_EXIT_HLT:$/    case VMM_EXIT_RSM + 0x1000:/
