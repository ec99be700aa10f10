# fails: a page fault while another exception is delivered
# mistake: a page fault after a contributory exception is a double fault
s/if (contributory(first) && contributory(second))/if (contributory(first))/
