# fails: a unit dies that exits lead to
# mistake: only the first exit is cut
/^static void unlink_unit/,/^}/s/leads_to\[exit\] = NONE;/&\n            return;/
