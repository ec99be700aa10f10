# fails: a port of one's own
# mistake: every VM has every port that was granted
s/if (plan->grants\[i\].vm == vm \&\& contains/if (contains/
