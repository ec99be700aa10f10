# fails: a page table of the supervisor
# mistake: only the entry of the page is asked
s/fault->directory_entry \& page)/page)/
