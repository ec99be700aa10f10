/* name: PUSHF
 * points: 3
 * hint: the real EFLAGS have an IOPL of 1; PUSH_FLAGS pushes the virtual ones
 * counts: units
 */
#include "guest.inc"
begin:
    setup
    times 10
    add %ecx, %eax
    pushf
    pop %ebx
    add %ebx, OUT(0)
    rol %ebx
    sti
    nop
    pushf
    cli
    pop %edx
    xor %edx, %eax
    std
    pushf
    cld
    pop %esi
    add %esi, OUT(1)
    again
    finish
    tables
