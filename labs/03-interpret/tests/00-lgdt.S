/* name: lgdt
 * points: 2
 * hint: the operand is 16 bits of limit, then 32 of base, of which a 16-bit operand size takes 24; then VMM_OUTCOME_TABLES */
#include "guest.inc"
begin:
    mov AT(random), %eax
    mov %eax, AT(pointer)
    mov AT(random) + 4, %eax
    mov %eax, AT(pointer) + 4
    lgdt AT(pointer)
    data16 lgdt AT(pointer)
    mov $AT(pointer) - 4, %ebx
    lgdt 4(%ebx)
    finish
pointer:
    .long 0, 0
