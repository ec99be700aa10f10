/* name: model-specific registers
 * points: 2
 * hint: MSR: the routine of trap-and-emulate serves here as it is
 */
#include "guest.inc"
begin:
    setup
    gate 13, general
    mov $0x10, %ecx
    mov AT(random), %eax
    xor %edx, %edx
    wrmsr
    rdmsr
    mov AT(random) + 4, %ebp
    mov $0x7777, %ecx
    rdmsr
back:
    finish
general:
    pop %ebx
    movl $AT(back), (%esp)
    iret
    tables
