/* name: INT n in ring 3 through a gate of DPL 0
 * points: 2
 * hint: a software interrupt asks for the gate's DPL >= CPL; otherwise #GP with error code vector * 8 + 2
 */
#include "guest.inc"
begin:
    setup
    gate 0x30, handler
    gate 13, protection
    enter_user user
user:
    int $0x30
    hlt
protection:
    pop %ecx
    mov (%esp), %edx
    finish
handler:
    hlt
    tables
