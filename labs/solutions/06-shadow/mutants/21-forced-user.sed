# fails: the supervisor writes with WP = 0
# mistake: the page that WP = 0 opened is open to the user, too
s/answer.table_rights = P | RW;/answer.table_rights = RIGHTS;/
