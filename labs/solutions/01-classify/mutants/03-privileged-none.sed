# fails: privileged
# mistake: what never executes is privileged
s/return any;/return true;/
