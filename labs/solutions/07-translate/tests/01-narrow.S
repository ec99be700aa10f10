/* name: operands of 16 bits
 * points: 3
 * hint: with prefix 66 PUSHF and POPF move 2 bytes, and EIP loses its upper half: nothing of this is an op
 */
#include "guest.inc"
begin:
    setup
    movb $0xff, low - start
    movb $0xe2, low - start + 1 /* jmp *%edx */
    times 4
    add %ecx, %eax
    pushfw
    popw %bx
    movzwl %bx, %ebx
    add %ebx, OUT(0)
    pushw $0x0293
    popfw
    cli
    pushf
    pop %esi
    add %esi, OUT(1)
    mov $AT(1f), %edx
    .byte 0x66, 0xe9 /* jmp low, 16 bits */
    .word low - . - 2
    hlt
low:
    hlt
    hlt
1:  again
    finish
    tables
