/* name: data beside code
 * points: 3
 * hint: a write that hits no byte of a unit leaves it alone: without stale() all units of the page die
 */
#include "guest.inc"
begin:
    setup
    mov $AT(routine), %esi
    times 25
    call routine
    add %ecx, counter - routine(%esi)
    incb -1(%esi)
    call other
    movb $0x90, other_end - routine(%esi)
    again
    mov counter - routine(%esi), %eax
    finish
    .balign 4096
    .zero 64, 0x90
routine:
    inc %ecx
    rol $3, %ecx
    ret
counter:
    .long 0
other:
    add %ecx, %eax
    rol $3, %eax
    ret
other_end:
    .byte 0
    .balign 4096
    tables
