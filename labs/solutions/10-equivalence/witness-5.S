/* A witness against suspect 5: a segment that ring 3 loads first. */
#include "guest.inc"
begin:
    setup
    enter_user user, 3
user:
    mov $0x4b, %eax
    mov %eax, %es
    finish
    tables
