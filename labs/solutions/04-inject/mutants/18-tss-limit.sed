# fails: a TSS that is too short
# mistake: the limit of the TSS is not looked at
s/if (offset + 5 > delivery->tss_limit)/if (false)/
