/* name: a long way without a branch
 * points: 2
 * hint: a unit goes on as long as something falls through, up to VMM_UNIT_OPS instructions
 * counts: units
 */
#include "guest.inc"
begin:
    setup
    .rept 80
    add %ecx, %eax
    rol $3, %eax
    .endr
    mov %eax, OUT(0)
    finish
    tables
