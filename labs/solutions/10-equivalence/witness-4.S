/* A witness against suspect 4: an IDT of 256 gates loses the last. */
#include "guest.inc"
begin:
    lidt AT(wide)
    finish
wide:
    .word 0x7ff
    .long 0
    finish
    tables
