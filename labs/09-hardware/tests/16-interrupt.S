/* name: an interrupt in the middle
 * points: 3
 * hint: INTR exits before the guest hears of it
 */
#include "guest.inc"
begin:
    setup
    gate 0x20, handler
    timer
    sti
    mov $150, %ecx
again:
    inc %edx
    loop again
    finish
handler:
    mov $0x20, %al
    out %al, $0x20
    mov %ecx, %esi
    mov %edx, %edi
    iret
    tables
