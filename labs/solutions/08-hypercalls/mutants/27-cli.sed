# fails: the console
# mistake: a privileged instruction is left
s/    shared.events_on = 0;/    asm volatile("cli");/
