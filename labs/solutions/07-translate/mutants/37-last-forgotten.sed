# fails: a unit dies that exits lead to
# mistake: the last exit is forgotten
s/exits = exit->exit + 1;/exits = exit->exit;/
