/* name: an instruction in two pages is written
 * points: 2
 * hint: a unit may have bytes in a second page, and dies with them
 */
#include "guest.inc"
begin:
    setup
    mov $AT(second), %esi
    times 4
    call routine
    add %eax, OUT(0)
    mov %cx, (%esi) /* of the immediate, what is in the second page */
    call routine
    add %eax, OUT(1)
    incb -1(%esi)
    rol $3, %ecx
    again
    finish
    .balign 4096
    .zero 4096 - 6, 0x90
routine:
    rol $3, %eax
    .byte 0x05, 0x11, 0x22 /* add $imm, %eax */
second:
    .byte 0x33, 0x44
    ret
    .balign 4096
    tables
