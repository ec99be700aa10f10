/* name: a unit dies that leads to itself
 * points: 2
 * hint: an exit may lead to its own unit, and a unit that is written again is linked again
 */
#include "guest.inc"
begin:
    setup
    mov $AT(target), %esi
    mov $12, %ebx
1:  mov $10, %ecx
    call target
    mov %eax, OUT(0)
    mov %edx, 1(%esi)
    rol $5, %edx
    dec %ebx
    jnz 1b
    finish
    .balign 4096
target:
    add $0x12345678, %eax
    dec %ecx
    jnz target
    ret
    .balign 4096
    tables
