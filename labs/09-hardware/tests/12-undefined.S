/* name: undefined instructions
 * points: 2
 * hint: exception 6 is intercepted, and belongs to the guest: EVENTINJ, type 3
 */
#include "guest.inc"
begin:
    setup
    gate 6, undefined
    ud2
    mov AT(random), %eax
    .byte 0x0f, 0xff
    finish
undefined:
    addl $2, (%esp)
    inc %ebp
    iret
    tables
