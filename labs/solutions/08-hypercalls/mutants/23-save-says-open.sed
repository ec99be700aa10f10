# fails: a critical section while events are masked
# mistake: irq_save says that events were let through
s/    return was;/    return was | 1;/
