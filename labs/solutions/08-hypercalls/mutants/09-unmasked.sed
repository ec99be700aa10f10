# fails: registers behind an event
# mistake: handlers are entered with events let through
s/(uint8_t)i, .mask = 1/(uint8_t)i, .mask = 0/
