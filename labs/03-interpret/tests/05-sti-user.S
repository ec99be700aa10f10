/* name: sti in ring 3
 * points: 2
 * hint: STI asks for CPL <= IOPL; otherwise it is #GP(0) */
#include "guest.inc"
begin:
    enter_user user, 0
user:
    sti
    finish
    tables
