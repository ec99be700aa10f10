/* name: loading segment registers
 * points: 3
 * hint: DS, ES, FS and GS load from the shadow GDT; SS would be checked against the VMM's ring
 */
#include "guest.inc"
begin:
    setup
    movl $0x190100, OUT(8)
    movw $DATA, OUT(9)
    times 10
    mov $USER_DATA, %eax
    mov %eax, %fs
    push %fs
    pop %gs
    mov %gs, %ecx
    add %ecx, OUT(0)
    les OUT(8), %edi
    mov %es, %edx
    lfs OUT(8), %esi
    push %ds
    pop %es
    again
    mov $DATA, %eax
    mov %eax, %ss
    push %ss
    pop %ss
    lss OUT(8), %esp
    mov %ss, %ebx
    mov $0, %eax
    mov %eax, %gs
    mov %gs, %ebp
    finish
    tables
