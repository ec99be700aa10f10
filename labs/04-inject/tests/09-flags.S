/* name: the EFLAGS that are pushed
 * points: 2
 * hint: RF is set in the EFLAGS pushed for a fault (SDM volume 3, 17.3.1.1), and clear for everything else: traps such as #DB, INT n, interrupts
 */
#include "guest.inc"
begin:
    setup
    gate 6, undefined
    gate 3, handler, INTERRUPT + FOR_USER
    enter_user user, 0xad5
user:
    int3
    int3
    ud2
    cmp %eax, %ebx
    ud2
    mov $2, %edi
    int3
    hlt
undefined:
    mov 8(%esp), %ecx
    addl $2, (%esp)
    iret
handler:
    mov 8(%esp), %edx
    cmp $2, %edi
    je end
    orl $0x10000, 8(%esp)
    iret
end:
    finish
    tables
