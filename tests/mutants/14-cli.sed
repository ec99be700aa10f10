# file: interpreter/routines/interrupts.c
# property: equivalence
# mistake: CLI leaves IF as it is
s|context->cpu->eflags &= ~(uint32_t)X86_IF;|context->cpu->eflags \&= ~(uint32_t)0;|
