/* name: sti in ring 0
 * points: 2
 * hint: SDM volume 2, STI: IF is set; an interrupt is not taken before the instruction behind STI has ended (outcome.shadow) */
#include "guest.inc"
begin:
    push AT(random)
    andl $0x8d5, (%esp)
    popf
    sti
    nop
    nop
    cli
    sti
    sti
    nop
    finish
