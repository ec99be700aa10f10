# fails: an exception in ring 3: the stack switch
# mistake: an exception asks for the gate's DPL
s/event->kind == VMM_EVENT_SOFTWARE && dpl/dpl/
