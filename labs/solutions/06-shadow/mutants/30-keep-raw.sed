# fails: the guest clears D
# mistake: the guest's A and D are not asked when it writes
s/= rights_of(change->entry, change->directory, change->large);/= change->entry;/
