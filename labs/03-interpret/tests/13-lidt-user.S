/* name: lidt in ring 3
 * points: 1
 * hint: LIDT is for CPL 0, whatever IOPL is; otherwise #GP(0) */
#include "guest.inc"
begin:
    enter_user user, 3
user:
    lidt AT(random)
    finish
    tables
