/* name: instructions that are copied
 * points: 3
 * hint: what touches general registers, arithmetic flags and memory only is VMM_OP_COPY
 * counts: units
 */
#include "guest.inc"
begin:
    setup
    times 8
    add %ecx, %eax
    adc $0x1234, %edx
    xor %eax, %ebx
    rol $7, %ebp
    imul %esi, %edi
    push %eax
    xchg %eax, (%esp)
    pop OUT(0)
    lea 8(%eax,%ecx,4), %ecx
    bswap %ecx
    mov %ecx, OUT(1)
    movzbl %cl, %eax
    sbb %eax, %edx
    lahf
    cmc
    setc %al
    cmovc %ebx, %ebp
    pusha
    mov $OUT(8), %edi
    mov $4, %ecx
    cld
    rep stosl
    popa
    lock incl OUT(2)
    enter $8, $0
    leave
    and $0xfffff, %ebx /* there is memory, on whatever machine */
    xlat (%ebx)
    sub OUT(1), %eax
    again
    finish
    tables
