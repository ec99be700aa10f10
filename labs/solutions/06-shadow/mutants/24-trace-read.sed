# fails: a page becomes a page table
# mistake: a table is writable once it was read
s/if (fault->traced) {/if (fault->traced \&\& write) {/
