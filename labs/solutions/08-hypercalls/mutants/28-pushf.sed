# fails: a critical section in another
# mistake: a sensitive unprivileged instruction is left
s/    const uint32_t was = shared.events_on;/    uint32_t was;\n    asm volatile("pushfl\\n\\tpopl %0" : "=r"(was));\n    was \&= 0x200;/
