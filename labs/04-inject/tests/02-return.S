/* name: there and back
 * points: 2
 * hint: what IRET finds on the stack is what was pushed; nothing else is lost
 */
#include "guest.inc"
begin:
    setup
    gate 6, handler
    ud2
    mov %ebx, %eax
    ud2
    finish
handler:
    addl $2, (%esp)
    iret
    tables
