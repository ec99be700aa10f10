/* name: hlt in ring 3
 * points: 1
 * hint: HLT is for CPL 0 whatever IOPL is; otherwise it is #GP(0) */
#include "guest.inc"
begin:
    enter_user user, 3
user:
    hlt
    finish
    tables
