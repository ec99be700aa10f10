# fails: WP = 0 and a read-only page table
# mistake: only the entry of the page is opened
s/if (write \&\& !(answer.directory_rights \& RW))/if (false)/
