# fails: Theorem 1
# mistake: Theorem 1 the wrong way round
s/if (sensitive \&\& !privileged(m, i))/if (!sensitive \&\& privileged(m, i))/
