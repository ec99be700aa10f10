# fails: a page that is written later
# mistake: writes are not logged
s/fault->log \&\& !(/false \&\& !(/
