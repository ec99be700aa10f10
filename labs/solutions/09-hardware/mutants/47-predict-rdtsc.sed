# fails: the number of exits
# mistake: RDTSC is counted
s/return work->cpuid/return work->cpuid + work->rdtsc/
