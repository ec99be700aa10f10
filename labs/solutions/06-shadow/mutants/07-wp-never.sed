# fails: the supervisor writes with WP = 0
# mistake: the supervisor never writes to a read-only page
s/ || (!user \&\& !fault->write_protect)//
