# fails: the first pages
# mistake: a table that is there is not kept
s/answer.directory_entry = fault->directory_entry;/answer.directory_entry = fault->new_table;/
