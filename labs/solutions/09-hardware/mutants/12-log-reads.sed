# fails: a page that is written later
# mistake: reads are logged in the place of writes
s/\&\& !(fault->error_code/\&\& (fault->error_code/
