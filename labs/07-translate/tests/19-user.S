/* name: a user program
 * points: 2
 * hint: ring 3 runs directly; the way there and back is the VMM's
 */
#include "guest.inc"
begin:
    setup
    gate 0x30, handler
    enter_user user
user:
    times 5
    add %ecx, %eax
    int $0x30
    pushf
    pop %edx
    add %edx, OUT(0)
    again
    finish
handler:
    mov %cs, %ebx
    add %ebx, OUT(1)
    pushf
    pop %esi
    add %esi, OUT(2)
    mov 4(%esp), %edi
    iret
    tables
