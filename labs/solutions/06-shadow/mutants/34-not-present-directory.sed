# fails: an absent page table
# mistake: an absent page table is used
s/^    if (!(fault->directory_entry \& P))$/    if (fault->large)/
