/* name: a halt behind STI
 * points: 2
 * hint: an interrupt that waits is delivered behind HLT, not between STI and it
 */
#include "guest.inc"
begin:
    setup
    gate 0x20, handler
    timer
    mov $190, %ecx
again:
    loop again
    sti
    hlt
    mov %ebp, %eax
    mov $AT(random), %esi
    mov $0xe9, %dx
    outsl
    finish
handler:
    mov $0x20, %al
    out %al, $0x20
    mov (%esp), %edi
    iret
    tables
