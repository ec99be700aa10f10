/* name: interrupts on and off
 * points: 1
 * hint: only IF changes, whatever the other flags are */
#include "guest.inc"
begin:
    mov AT(random), %eax
    add AT(random) + 4, %eax
    sti
    nop
    cmp AT(random) + 8, %eax
    cli
    finish
