# fails: more than was promised
# mistake: every VM gets the same share
s/return used + owed < plan->limit ?/return held[request->vm] < plan->limit \/ plan->vms ?/
