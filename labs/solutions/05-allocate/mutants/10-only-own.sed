# fails: more than was promised
# mistake: nobody gets more than it was promised
s/return used + owed < plan->limit ?/return held[request->vm] < plan->promised[request->vm] ?/
