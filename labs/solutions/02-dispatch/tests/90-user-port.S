/* name: a port in ring 3
 * points: 2
 * hint: IN is sensitive in every ring */
#include "guest.inc"
begin:
    setup
    enter_user user, 0
user:
    mov AT(random), %eax
    in $0x61, %al
    finish
    tables
