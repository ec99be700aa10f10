/* name: single steps
 * points: 2
 * hint: a #DB comes behind an instruction; the sensitive one that follows has not been executed yet */
#include "guest.inc"
begin:
    setup
    push $0x102
    popf
    mov AT(random), %eax
    cli
    finish
    tables
