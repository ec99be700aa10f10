# fails: a guest that wants everything
# mistake: the limit is not looked at
s/return used + owed < plan->limit ?/return owed < plan->limit ?/
