# fails: a page of the supervisor
# mistake: only the directory is asked
s/fault->directory_entry \& page)/fault->directory_entry)/
