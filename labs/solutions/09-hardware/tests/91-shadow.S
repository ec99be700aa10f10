/* name: a halt behind STI
 * points: 2
 * hint: an interrupt that waits is delivered behind HLT, not between STI and it
 */
#include "guest.inc"
begin:
    setup
    gate 0x20, clock
    gate 0x24, line
    timer 0xee
    ask
    sti
    hlt
    mov %ebp, %eax
    finish
clock:
    mov $0x20, %al
    out %al, $0x20
    mov $20, %ecx
1:  loop 1b
    sti
    hlt
    iret
line:
    mov %ecx, %esi
    mov %ebx, %edi
    answered
    tables
