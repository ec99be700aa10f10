/* name: many exits to one unit
 * points: 3
 * hint: all of them are cut
 */
#include "guest.inc"
begin:
    setup
    mov $AT(target), %esi
    mov $4, %ebx
1:  mov $0, %edi
2:  mov $AT(table), %ecx
    lea (%ecx, %edi, 8), %ecx
    jmp *%ecx
    .balign 8
table:
    .rept 16
    add %edi, %eax
    jmp target
    .balign 8
    .endr
back:
    inc %edi
    cmp $16, %edi
    jne 2b
    mov %edx, 1(%esi)
    rol $5, %edx
    dec %ebx
    jnz 1b
    mov %eax, OUT(0)
    finish
    .balign 4096
target:
    add $0x12345678, %eax
    rol $3, %eax
    jmp back
    .balign 4096
    tables
