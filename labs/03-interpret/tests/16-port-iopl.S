/* name: in and out in ring 3 with IOPL 3
 * points: 1
 * hint: with IOPL = 3 ring 3 may use every port */
#include "guest.inc"
begin:
    enter_user user, 3
user:
    mov $'u', %al
    out %al, $0xe9
    in $0x61, %al
    finish
    tables
