# fails: a critical section in another
# mistake: irq_save does not mask
/^uint32_t irq_save/,/^}/{/irq_disable();/d}
