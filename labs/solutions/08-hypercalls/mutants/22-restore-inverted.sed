# fails: a critical section in another
# mistake: irq_restore has it the wrong way round
s/    if (was)$/    if (!was)/
