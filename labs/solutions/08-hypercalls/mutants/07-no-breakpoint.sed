# fails: what user programs may not do
# mistake: user programs may not raise the breakpoint
/traps\[3\].ring = 3;/d
