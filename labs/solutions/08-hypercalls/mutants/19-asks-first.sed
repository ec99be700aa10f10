# fails: an event that waits
# mistake: asks while events are masked still
/^void irq_enable/,/^}/{
/shared.events_on = 1;/d
/VMM_HC_EVENTS/a\
    shared.events_on = 1;
}
