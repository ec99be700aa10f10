/* name: exceptions in the middle of a unit
 * points: 2
 * hint: each op has the length of its instruction; the VMM finds the guest's state by it
 */
#include "guest.inc"
begin:
    setup
    gate 6, undefined
    gate 0, divide
    gate 13, protection
    times 4
    rol $3, %eax
    ud2
    add %eax, %ecx
    xor %edx, %edx
    xor %esi, %esi
    div %esi
    add %ecx, %eax
    mov $BEYOND, %ebx
    mov %ebx, %fs
    again
    finish
undefined:
    mov (%esp), %ebp
    add %ebp, OUT(0)
    addl $2, (%esp)
    iret
divide:
    mov (%esp), %ebp
    add %ebp, OUT(1)
    mov $3, %esi
    iret
protection:
    pop %edi
    add %edi, OUT(2)
    mov (%esp), %ebp
    add %ebp, OUT(3)
    addl $2, (%esp)
    iret
    tables
