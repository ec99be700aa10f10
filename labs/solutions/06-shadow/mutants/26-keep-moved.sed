# fails: another page at the same address
# mistake: an entry that leads elsewhere stays
s/change->moved ? 0 : //
