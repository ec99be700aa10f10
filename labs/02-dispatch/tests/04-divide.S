/* name: divide error
 * points: 2
 * hint: the interpreter has no routine for DIV, and needs none: the guest's kernel has a handler */
#include "guest.inc"
begin:
    setup
    xor %ecx, %ecx
    mov AT(random), %eax
    xor %edx, %edx
    div %ecx
    finish
    tables
