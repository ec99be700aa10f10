/* name: an exception in ring 3: the stack switch
 * points: 3
 * hint: SS0 and ESP0 are at offsets 8 and 4 of the TSS; the old SS and ESP are pushed first, on the new stack
 */
#include "guest.inc"
begin:
    setup
    gate 6, handler
    enter_user user
user:
    mov AT(random), %eax
    ud2
    hlt
handler:
    mov 12(%esp), %ecx
    mov 16(%esp), %edx
    addl $2, (%esp)
    finish
    tables
