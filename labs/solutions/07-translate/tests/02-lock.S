/* name: LOCK where it is not allowed
 * points: 2
 * hint: an instruction of the VMM's that has a LOCK prefix raises #UD: call out
 */
#include "guest.inc"
begin:
    setup
    gate 6, undefined
    lock
    pushf
    .byte 0xf0, 0x0f, 0x22, 0xd0 /* lock mov %eax, %cr2 */
    .byte 0xf0, 0x0e /* lock push %cs */
    mov %esp, OUT(1)
    finish
undefined:
    incl OUT(0)
    mov (%esp), %ebp
    incl (%esp)
    cmpb $0x0f, 1(%ebp)
    jne 1f
    addl $2, (%esp)
1:  cmpb $0x9c, (%ebp)
    je 2f
    incl (%esp)
2:  iret
    tables
