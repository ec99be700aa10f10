/* name: out in ring 3
 * points: 1
 * hint: ring 3 needs CPL <= IOPL; no guest of this lab has a permission bitmap, so otherwise it is #GP(0) */
#include "guest.inc"
begin:
    enter_user user, 0
user:
    out %al, $0xe9
    finish
    tables
