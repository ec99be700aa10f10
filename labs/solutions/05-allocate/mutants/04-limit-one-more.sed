# fails: a guest that wants everything
# mistake: one frame more than the limit
s/used + owed < plan->limit/used + owed <= plan->limit/
