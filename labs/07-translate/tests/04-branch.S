/* name: conditional jumps
 * points: 3
 * hint: a BRANCH goes to its target or falls through; both count, and the unit may go on behind it
 */
#include "guest.inc"
begin:
    setup
    times 20
    xor %esi, %esi
    add %ecx, %eax
    .irp condition, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g
    j\condition 1f
    inc %esi
1:  rcl $1, %esi
    cmp %edx, %eax
    rol $3, %edx
    .endr
    add %esi, OUT(0)
    again
    test %eax, %eax
    js 2f
    .zero 300, 0x90
2:  finish
    tables
