/* name: a gate that is not present
 * points: 2
 * hint: #NP with error code vector * 8 + 2, + 1 (EXT) unless it was a software interrupt
 */
#include "guest.inc"
begin:
    setup
    gate 6, handler, ABSENT
    gate 0x30, handler, ABSENT
    gate 11, absent
    int $0x30
    ud2
    finish
absent:
    pop %ecx
    addl $2, (%esp)
    iret
handler:
    hlt
    tables
