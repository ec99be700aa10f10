/* name: a vector beyond the IDT
 * points: 2
 * hint: a gate takes 8 bytes; if the last lies beyond the limit it is #GP with error code vector * 8 + 2
 */
#include "guest.inc"
begin:
    setup
    gate 13, protection
    gate 0x30, good
    int $0x40
    movw $0x8 * 0x31 + 6, AT(idt_pointer)
    lidt AT(idt_pointer)
    int $0x31
    int $0x30
    finish
good:
    iret
protection:
    pop %ecx
    addl $2, (%esp)
    iret
    tables
