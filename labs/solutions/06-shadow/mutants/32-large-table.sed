# fails: a page of 4 MB
# mistake: the shadow's table of a 4 MB page has the rights of no entry
s/fault->large ? RIGHTS : page_rights/page_rights/
