# fails: a read-only page
# mistake: the supervisor always writes to read-only pages
s/(!user \&\& !fault->write_protect)/!user/
