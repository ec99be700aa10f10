/* name: jumps and calls through registers and memory
 * points: 3
 * hint: JUMP_INDIRECT and CALL_INDIRECT take the operand of the instruction; a call pushes an address in the guest
 * counts: units
 */
#include "guest.inc"
begin:
    setup
    movl $AT(first), OUT(8)
    movl $AT(second), OUT(9)
    movl $AT(third), OUT(10)
    times 12
    mov OUT(63), %ecx
    and $1, %ecx
    jmp *OUT(8)(, %ecx, 4)
first:
    add $0x11, %eax
second:
    rol $3, %eax
    mov $AT(third), %edx
    call *%edx
    call *OUT(10)
    push OUT(10)
    call *(%esp)
    add $4, %esp
    mov $AT(past), %ebx
    jmp *%ebx
    hlt
past:
    add %eax, OUT(0)
    again
    finish
third:
    mov (%esp), %esi
    add %esi, OUT(1)
    ret
    tables
