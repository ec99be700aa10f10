/* name: interrupt gates and trap gates
 * points: 2
 * hint: an interrupt gate (type 14) clears IF, a trap gate (type 15) leaves it; TF, NT and RF are cleared by both
 */
#include "guest.inc"
begin:
    setup
    gate 0x30, handler
    gate 0x31, handler, TRAP
    sti
    int $0x30
    int $0x31
    cli
    int $0x31
    finish
handler:
    nop
    iret
    tables
