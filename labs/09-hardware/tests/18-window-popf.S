/* name: a window that POPF opens
 * points: 2
 * hint: nobody sees POPF; V_IRQ waits for it
 */
#include "guest.inc"
begin:
    setup
    gate 0x20, handler
    timer
    mov $190, %ecx
again:
    loop again
    push $0x202
    popf
    inc %edx
    inc %edx
    pushf
    cli
    popf
    inc %edx
    finish
handler:
    mov $0x20, %al
    out %al, $0x20
    mov %edx, %edi
    iret
    tables
