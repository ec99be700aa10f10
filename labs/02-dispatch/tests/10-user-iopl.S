/* name: cli in ring 3 with IOPL 3
 * points: 2
 * hint: the ring says nothing about whose trap it is: here CLI is allowed, and the VMM must do it */
#include "guest.inc"
begin:
    setup
    enter_user user, 3
user:
    mov AT(random), %eax
    sti
    nop
    cli
    in $0x61, %al
    finish
    tables
