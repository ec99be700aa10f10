# fails: a gate that is not present
# mistake: software interrupts have EXT in their error codes, too
s/delivery->event.kind != VMM_EVENT_SOFTWARE)/true)/
