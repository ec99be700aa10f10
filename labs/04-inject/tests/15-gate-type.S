/* name: what is no gate
 * points: 2
 * hint: types 14 and 15 with S = 0 are gates of this lab; others are #GP with error code vector * 8 + 2
 */
#include "guest.inc"
begin:
    setup
    gate 13, protection
    gate 0x30, handler, 0x8c00
    gate 0x31, handler, 0x9e00
    gate 0x32, handler, 0x8200
    int $0x30
    int $0x31
    int $0x32
    finish
protection:
    pop %ecx
    addl $2, (%esp)
    iret
handler:
    hlt
    tables
