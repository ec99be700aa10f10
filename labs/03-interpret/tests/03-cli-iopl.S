/* name: cli in ring 3 with IOPL 3
 * points: 1
 * hint: with IOPL = 3 ring 3 may change IF */
#include "guest.inc"
begin:
    enter_user user, 3
user:
    sti
    nop
    cli
    nop
    finish
    tables
