# fails: a page that is written later
# mistake: the processor's A is lost
s/answer.table_entry = fault->table_entry | rights;/answer.table_entry = fault->frame | rights;/
