# fails: two grants to the same VM
# mistake: grants to the same VM must not overlap
s/plan->grants\[earlier\].vm != grant->vm \&\& good/good/
