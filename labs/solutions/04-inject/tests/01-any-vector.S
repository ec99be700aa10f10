/* name: any vector
 * points: 3
 * hint: vector, offset and stack are the guest's to choose
 */
#include "guest.inc"
begin:
    setup
    mov AT(random), %eax
    and $31, %eax
    add $32, %eax
    mov %al, AT(instruction) + 1
    movl $((handler - start) + (CODE << 16)), AT(idt)(,%eax,8)
    movl $(0x100000 + INTERRUPT + FOR_USER), AT(idt) + 4(,%eax,8)
    mov AT(random) + 4, %ebx
    and $0x7ffc, %ebx
    add $0x180000, %ebx
    mov %ebx, AT(tss) + 4
    enter_user user, 0xad4
user:
    sub $16, %esp
instruction:
    int $0x21
    hlt
handler:
    mov 12(%esp), %ecx
    finish
    tables
