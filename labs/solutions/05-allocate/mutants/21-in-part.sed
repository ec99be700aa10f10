# fails: first come, first served
# mistake: of an overlapping grant the rest counts
s/\&\& good(plan, i))/\&\& (plan->grants[0].vm == vm || !contains(\&plan->grants[0], port)))/
