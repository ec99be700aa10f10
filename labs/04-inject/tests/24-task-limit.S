/* name: a TSS that is too short
 * points: 1
 * hint: SS0 ends at offset 9 of the TSS; beyond its limit it is #TS with the selector of the TSS
 */
#include "guest.inc"
begin:
    setup
    movw $8, AT(gdt) + TASK
    movb $0x89, AT(gdt) + TASK + 5
    mov $TASK, %eax
    ltr %ax
    gate 0x30, handler, INTERRUPT + FOR_USER
    gate 10, fault, INTERRUPT, CONFORMING
    enter_user user, 0x3000
user:
    int $0x30
handler:
    hlt
fault:
    pop %ecx
    mov (%esp), %edx
    finish
    tables
