/* name: cli in ring 3
 * points: 2
 * hint: CLI asks for CPL <= IOPL; otherwise it is #GP(0), and IF stays */
#include "guest.inc"
begin:
    enter_user user, 0
user:
    cli
    finish
    tables
