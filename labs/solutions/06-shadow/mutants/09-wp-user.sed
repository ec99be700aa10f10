# fails: the supervisor writes with WP = 0
# mistake: WP = 0 is for the user, too
s/(!user \&\& !fault->write_protect)/!fault->write_protect/
