/* name: jumps
 * points: 2
 * hint: the displacement counts from behind the instruction; a JUMP ends its unit
 * counts: units
 */
#include "guest.inc"
begin:
    setup
    times 10
    jmp 1f
    .byte 0x0f, 0x0b
2:  add %ecx, %eax
    jmp 3f
    .zero 200, 0xcc
3:  rol $5, %eax
    again
    mov %eax, OUT(0)
    finish
1:  xor %eax, %ecx
    jmp 2b
    tables
