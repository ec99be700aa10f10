/* name: POPF
 * points: 3
 * hint: at ring 1 the processor would leave out IOPL, and say nothing; POP_FLAGS asks the VMM for what is rare
 */
#include "guest.inc"
begin:
    setup
    times 10
    mov %eax, %ebx
    and $0x4cd5, %ebx /* arithmetic flags, DF, NT */
    push %ebx
    popf
    pushf
    pop %edx
    cld
    add %edx, OUT(0)
    rol $3, %eax
    push $0x202
    popf
    nop
    pushf
    pop %ecx
    add %ecx, OUT(1)
    push $2
    popf
    again
    push $0x3002
    popf
    pushf
    pop %eax
    push $2
    popf
    finish
    tables
