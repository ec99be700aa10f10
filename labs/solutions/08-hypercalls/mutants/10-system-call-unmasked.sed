# fails: processes at work
# mistake: system calls are entered with events let through
s/.ring = 3, .mask = 1/.ring = 3, .mask = 0/
