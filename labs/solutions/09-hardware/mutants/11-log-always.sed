# fails: what is the guest's own
# mistake: writes are always logged
s/fault->log \&\& !(/!(/
