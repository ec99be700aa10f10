/* name: exceptions
 * points: 2
 * hint: those that are not intercepted, the hardware delivers
 */
#include "guest.inc"
begin:
    setup
    gate 0, divide
    gate 13, general
    gate 3, breakpoint, 0xee00
    xor %ecx, %ecx
    div %ecx
    mov $0x77, %eax
    mov %eax, %ds
    int3
    finish
divide:
    addl $2, (%esp)
    iret
general:
    pop %ebx
    addl $2, (%esp)
    iret
breakpoint:
    inc %ebp
    iret
    tables
