# fails: a benign exception, then another
# mistake: every exception during a delivery is a double fault
s/if (contributory(first) && contributory(second))/if (true)/
