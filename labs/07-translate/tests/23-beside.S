/* name: data beside code
 * points: 3
 * hint: a write that hits no byte of a unit leaves it alone; without stale() all units of the page die
 * counts: units
 */
#include "guest.inc"
begin:
    setup
    mov $AT(one), %esi
    times 28
    call one
    add %ecx, 8(%esi) /* the four bytes behind it */
    again
    mov $AT(two), %esi
    times 28
    call two
    add %ecx, -4(%esi) /* the four bytes before it */
    again
    mov $AT(three), %esi
    times 28
    call three
    add %ecx, 0x100(%esi)
    again
    finish
    .balign 4096
    .zero 64, 0x90
one:
    add $5, %ecx
    inc %ecx
    nop
    nop
    nop
    ret
    .long 0
    .balign 4096
    .zero 64, 0x90
two:
    add $5, %ecx
    inc %ecx
    ret
    .balign 4096
    .zero 64, 0x90
three:
    add $5, %ecx
    inc %ecx
    ret
    .balign 4096
    tables
