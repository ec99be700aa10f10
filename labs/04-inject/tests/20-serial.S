/* name: a benign exception, then another
 * points: 2
 * hint: #UD is benign: what its delivery raises is delivered in its place
 */
#include "guest.inc"
begin:
    setup
    gate 6, handler, ABSENT
    gate 0, handler, ABSENT
    gate 11, absent
    gate 8, double
    ud2
    xor %ecx, %ecx
    div %ecx
    finish
handler:
    hlt
absent:
    pop %eax
    addl $2, (%esp)
    iret
double:
    pop %eax
    mov (%esp), %edx
    finish
    tables
