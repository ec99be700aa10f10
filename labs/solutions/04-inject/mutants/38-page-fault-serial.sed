# fails: a fault while a page fault is delivered
# mistake: a contributory exception after a page fault is delivered
s/ || contributory(second)))/))/
