# fails: who the processor is
# mistake: the guest sees the machine's CPUID
/case VMM_EXIT_CPUID: \/\*/d
