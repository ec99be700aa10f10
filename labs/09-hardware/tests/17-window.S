/* name: an interrupt window
 * points: 3
 * hint: V_IRQ: the interrupt comes behind the instruction that opens the window, not at the next exit
 */
#include "guest.inc"
begin:
    setup
    gate 0x20, handler
    timer
    mov $190, %ecx
again:
    loop again
    mov AT(random), %edx
    sti
    inc %edx
    inc %edx
    inc %edx
    mov $5, %ecx
more:
    inc %edx
    loop more
    finish
handler:
    mov $0x20, %al
    out %al, $0x20
    mov %edx, %edi
    iret
    tables
