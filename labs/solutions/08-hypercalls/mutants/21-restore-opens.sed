# fails: a critical section while events are masked
# mistake: irq_restore lets events through always
s/    if (was)$/    if (was || true)/
