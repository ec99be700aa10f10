/* name: the ports of a user
 * points: 2
 * hint: what IOPL and the bitmap of the task forbid is the hardware's to refuse: no exit
 */
#include "guest.inc"
begin:
    setup
    gate 13, refused
    mov $AT(tss), %eax
    movw $104, 102(%eax)
    push $0x23
    push $AT(user_stack)
    push $2
    push $0x1b
    push $AT(user)
    iret
user:
    mov $0x41, %al
    out %al, $0xe9
refused:
    pop %ebx
    mov (%esp), %ecx
    finish
    tables
