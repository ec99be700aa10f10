# fails: INT n in ring 3 through a gate of DPL 0
# mistake: nobody asks for the gate's DPL
s/event->kind == VMM_EVENT_SOFTWARE && dpl/false \&\& dpl/
