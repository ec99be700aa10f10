# fails: a double fault
# mistake: a contributory exception after another is delivered
s/if (contributory(first) && contributory(second))/if (false)/
