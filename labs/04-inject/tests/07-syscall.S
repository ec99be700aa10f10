/* name: system calls
 * points: 3
 * hint: a gate of DPL 3 lets INT n in from ring 3; IRET takes the guest back to where it was
 */
#include "guest.inc"
begin:
    setup
    gate 0x30, handler, TRAP + FOR_USER
    enter_user user, 0x200
user:
    mov AT(random) + 4, %eax
    int $0x30
    lea 8(%esp), %esp
    xor %esi, %eax
    int $0x30
    mov %eax, %edi
    mov $1, %ebx
    int $0x30
handler:
    cmp $1, %ebx
    je end
    add %ecx, %eax
    iret
end:
    finish
    tables
