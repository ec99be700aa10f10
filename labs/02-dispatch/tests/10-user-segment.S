/* name: a new segment in ring 3
 * points: 2
 * hint: the ring says nothing about whose trap it is: the guest may load this segment, and only the VMM's own tables do not have it yet */
#include "guest.inc"
begin:
    setup
    enter_user user, 3
user:
    mov AT(random), %ecx
    mov $0x4b, %eax
    mov %eax, %es
    mov %es:AT(random) + 4, %edx
    finish
    tables
