/* name: code goes on in the next page
 * points: 3
 * hint: instructions of a unit begin in one page; the last of them may end in the next
 */
#include "guest.inc"
begin:
    setup
    times 10
    jmp 1f
    .balign 4096
    .zero 4096 - 21, 0x90
1:  add %ecx, %eax
    rol $3, %eax
    mov %eax, OUT(0)
    add $0x12345678, %eax
    add $0x11223344, %edx
    .zero 8, 0x90
    rol $3, %edx
    add %edx, %eax
    jmp 2f
    .balign 4096
    .zero 4096 - 6, 0x90
2:  inc %eax
    add %eax, %ecx
    rol $1, %ecx
    dec %esi
    xor %esi, %eax
    again
    finish
    tables
