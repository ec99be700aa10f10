# fails: registers behind an event
# mistake: events have no handlers
s/i < VECTORS; i++/i < 32; i++/
