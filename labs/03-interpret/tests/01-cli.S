/* name: cli in ring 0
 * points: 2
 * hint: SDM volume 2, CLI: IF is cleared, and no other flag changes */
#include "guest.inc"
begin:
    push AT(random)
    andl $0x8d5, (%esp)
    popf
    sti
    nop
    cli
    nop
    finish
