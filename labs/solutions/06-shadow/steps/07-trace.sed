# test: a page becomes a page table
# promises: ECX is 0x
/^    if (fault->traced) {/,/^    }/d
