/* name: into ring 3 and back
 * points: 3
 * hint: IRET to ring 3 traps because ring 3 is not present in the shadow tables while the guest is in its kernel */
#include "guest.inc"
begin:
    setup
    enter_user user, 0
user:
    mov AT(random), %eax
    mov %eax, 0x300000
    mov 0x301000, %ebx
    int $0x1f
    finish
    tables
