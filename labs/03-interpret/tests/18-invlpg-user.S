/* name: invlpg in ring 3
 * points: 1
 * hint: INVLPG is for CPL 0, whatever IOPL is; otherwise #GP(0) */
#include "guest.inc"
begin:
    enter_user user, 3
user:
    invlpg AT(random)
    finish
    tables
