# fails: the first pages
# mistake: the table maps itself
s/answer.table_entry = fault->frame | rights;/answer.table_entry = answer.directory_entry | rights;/
