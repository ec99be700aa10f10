/* name: a single step
 * points: 2
 * hint: TF is in the EFLAGS that are pushed and cleared in the handler's; #DB returns behind the instruction
 */
#include "guest.inc"
begin:
    setup
    gate 1, handler
    enter_user user, 0x100
user:
    nop
    mov %ebx, %eax
    nop
handler:
    mov 8(%esp), %ecx
    add $1, %esi
    cmp %ebx, %eax
    je end
    iret
end:
    finish
    tables
