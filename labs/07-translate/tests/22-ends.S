/* name: writes to the first and last byte of a unit
 * points: 3
 * hint: the unit dies if one of the bytes from address to address + count - 1 is one of its own
 */
#include "guest.inc"
begin:
    setup
    mov $AT(routine), %esi
    call routine
    movb $0x49, (%esi) /* the first: dec ecx */
    call routine
    mov %ecx, OUT(0)
    movw $0x4190, -1(%esi) /* two bytes, the second is the first */
    call routine
    mov %ecx, OUT(1)
    mov %esp, %ebp
    movb $1, last - routine(%esi) /* the last: ret $0x100 */
    call routine
    mov %esp, OUT(2)
    mov %ebp, %esp
    movw $0x9002, last - routine(%esi) /* two bytes, the first is the last */
    call routine
    mov %esp, OUT(3)
    mov %ebp, %esp
    movl $0x05909090, 2(%esi) /* in the middle */
    call routine
    mov %eax, OUT(4)
    mov %esp, OUT(5)
    finish
    .balign 4096
    .zero 64, 0x90
routine:
    inc %ecx
    rol $3, %eax
    nop
    sub $0x12345678, %eax
    ret $0
last = . - 1
    .zero 64, 0x90
    .balign 4096
    tables
