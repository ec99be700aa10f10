# fails: waiting for what is there already
# mistake: events are let through behind irq_wait
/^void irq_wait/,/^}/{/irq_disable();/d}
