# file: dispatcher/outcome.c
# property: equivalence
# mistake: a handler begins with interrupts on
s|^    record_injected(&d->recorder, log.events|    guest->eflags \|= X86_IF;\n&|
