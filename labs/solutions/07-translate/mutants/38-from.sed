# fails: a unit dies that exits lead to
# mistake: it is remembered where an exit comes from, not where it leads
s/leads_to\[exit->exit\] = exit->to;/leads_to[exit->exit] = exit->from;/
