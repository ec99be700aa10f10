# fails: a guest that wants everything
# mistake: one frame less than the limit
s/used + owed < plan->limit/used + owed + 1 < plan->limit/
