/* name: sti with an interrupt pending
 * points: 1
 * modules: sti
 * hint: the interrupt comes after the instruction behind STI, not before it (outcome.shadow) */
#include "guest.inc"
.macro send value, port
    mov $\value, %al
    out %al, $\port
.endm
begin:
    lgdt AT(gdt_pointer)
    lidt AT(idt_pointer)
    mov $AT(kernel_stack), %esp
    send 0x11, 0x20
    send 0x08, 0x21
    send 0x04, 0x21
    send 0x01, 0x21
    send 0xfe, 0x21
    send 0x30, 0x43
    send 0x02, 0x40
    send 0x00, 0x40
    mov $340, %ecx
1:  loop 1b
    mov AT(random), %ecx
    sti
    nop
    nop
    finish
    tables
