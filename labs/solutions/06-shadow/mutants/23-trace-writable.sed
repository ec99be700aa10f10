# fails: a page becomes a page table
# mistake: a table is writable in the shadow
s/if (fault->traced) {/if (false) {/
