/* name: from ring 3 to ring 1, and on to ring 0
 * points: 3
 * hint: the TSS has a stack for each of the rings 0 to 2
 */
#include "guest.inc"
begin:
    setup
    gate 0x30, middle, INTERRUPT + FOR_USER, RING1_CODE
    gate 0x31, inner, TRAP + 0x2000
    enter_user user, 0x3200
user:
    int $0x30
middle:
    mov 12(%esp), %ecx
    int $0x31
inner:
    mov 12(%esp), %edx
    finish
    tables
