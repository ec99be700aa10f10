/* name: loops that are linked
 * points: 4
 * hint: link() answers true: next time the exit leads there without the VMM
 * counts: look-ups
 */
#include "guest.inc"
begin:
    setup
    mov $3000, %ecx
1:  add %ecx, %eax
    test $1, %al
    jz 2f
    rol $3, %eax
    jmp 3f
2:  xor %edx, %eax
3:  call routine
    dec %ecx
    jnz 1b
    mov %eax, OUT(0)
    finish
routine:
    add %eax, %edx
    jc 4f
    ret
4:  inc %edx
    ret
    tables
