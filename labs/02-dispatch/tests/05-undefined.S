/* name: undefined instruction
 * points: 1
 * hint: the guest's kernel has a handler */
#include "guest.inc"
begin:
    setup
    mov AT(random), %eax
    ud2
    finish
    tables
