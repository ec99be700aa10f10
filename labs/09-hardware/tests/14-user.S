/* name: user code
 * points: 2
 * hint: rings are the hardware's business; nothing of INT, IRET and page tables exits
 */
#include "guest.inc"
begin:
    setup
    gate 0x30, system, 0xee00
    paging
    push $0x23
    push $AT(user_stack)
    push $0x202
    push $0x1b
    push $AT(user)
    iret
user:
    mov AT(random) + 16, %eax
    pushf
    pop %ebx
    smsw %ecx
    str %edx
    int $0x30
    jmp user
system:
    mov (%esp), %esi
    mov 8(%esp), %edi
    finish
    tables
