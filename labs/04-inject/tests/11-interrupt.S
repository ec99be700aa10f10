/* name: an interrupt of the timer
 * points: 2
 * hint: an external interrupt is delivered like an exception without an error code; it returns to the next instruction
 */
#include "guest.inc"
begin:
    setup
    gate 0x20, handler
    mov $0x11, %al
    out %al, $0x20
    mov $0x20, %al
    out %al, $0x21
    mov $4, %al
    out %al, $0x21
    mov $1, %al
    out %al, $0x21
    mov $0xfe, %al
    out %al, $0x21
    mov $0x30, %al
    out %al, $0x43
    mov AT(random), %al
    and $0x0f, %al
    or $1, %al
    out %al, $0x40
    xor %al, %al
    out %al, $0x40
    sti
    hlt
    finish
handler:
    mov $0x20, %al
    out %al, $0x20
    addl $0, (%esp)
    iret
    tables
