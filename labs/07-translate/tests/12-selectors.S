/* name: reading segment registers
 * points: 3
 * hint: CS and SS have the VMM's ring in them; DS, ES, FS and GS are the guest's own
 */
#include "guest.inc"
begin:
    setup
    mov $DATA, %eax
    mov %eax, %fs
    times 12
    mov %cs, %eax
    mov %ss, %ebx
    mov %ds, %ecx
    mov %fs, %edx
    add %eax, OUT(0)
    add %ebx, OUT(1)
    add %ecx, OUT(2)
    push %cs
    push %ss
    push %ds
    push %fs
    pop %esi
    pop %edi
    pop %ebp
    add %ebp, OUT(3)
    pop %ebp
    add %ebp, OUT(4)
    again
    mov $-1, %eax
    mov $-1, %ebx
    mov %cs, %ax
    mov %ss, %bx
    mov %cs, OUT(5)
    mov %ss, OUT(6)
    mov %es, OUT(7)
    pushw %cs
    pushw %ss
    pop %edi
    finish
    tables
