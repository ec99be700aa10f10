# fails: the number of exits
# mistake: CR3 is counted
s/return work->cpuid/return work->cpuid + work->cr3/
