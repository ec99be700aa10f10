/* name: cli in ring 3
 * points: 1
 * hint: the routine finds out itself whether CLI is allowed, and comes to #GP if it is not */
#include "guest.inc"
begin:
    setup
    enter_user user, 0
user:
    mov AT(random), %eax
    cli
    finish
    tables
