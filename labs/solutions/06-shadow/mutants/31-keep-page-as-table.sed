# fails: the guest clears D
# mistake: the entry of a page is taken for one of a directory
s/rights_of(change->entry, change->directory,/rights_of(change->entry, true,/
