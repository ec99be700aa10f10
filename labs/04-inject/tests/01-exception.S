/* name: an exception in ring 0
 * points: 3
 * hint: IDT: offset in words 0 and 3 of the gate, selector in word 1; EFLAGS, CS and EIP are pushed, in this order
 */
#include "guest.inc"
begin:
    setup
    gate 6, handler
    ud2
    hlt
handler:
    mov (%esp), %ebx
    mov 4(%esp), %ecx
    addl $2, (%esp)
    finish
    tables
