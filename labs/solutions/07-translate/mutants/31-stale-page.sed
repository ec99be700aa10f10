# fails: an instruction in two pages is written
# mistake: what a unit has in a second page is forgotten
s/return address < unit->linear/return address \/ PAGE == unit->linear \/ PAGE \&\& address < unit->linear/
