/* name: calls and returns
 * points: 3
 * hint: what a CALL pushes is an address in the guest; RET n releases n bytes more
 * counts: units
 */
#include "guest.inc"
begin:
    setup
    times 12
    push %eax
    push %edx
    call sum
    add %eax, OUT(0)
    call here
here:
    pop %ecx
    add %ecx, OUT(1)
    again
    finish
sum:
    mov (%esp), %ecx
    add %ecx, OUT(2)
    mov 4(%esp), %eax
    add 8(%esp), %eax
    call twice
    ret $8
twice:
    add %eax, %eax
    ret
    tables
