/* name: an interrupt in the middle
 * points: 3
 * hint: INTR exits before the guest hears of it
 */
#include "guest.inc"
begin:
    setup
    gate 0x20, clock
    gate 0x24, line
    timer 0xee
    mov $20, %ecx
1:  loop 1b
    ask
    mov $40, %ecx
    sti
    hlt
again:
    inc %ebx
    loop again
    finish
clock:
    mov $0x20, %al
    out %al, $0x20
    iret
line:
    mov %ecx, %esi
    mov %ebx, %edi
    answered
    tables
