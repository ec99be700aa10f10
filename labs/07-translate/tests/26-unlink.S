/* name: a unit dies that exits lead to
 * points: 3
 * hint: all exits that lead to it are cut in unlink()
 */
#include "guest.inc"
begin:
    setup
    mov $AT(target), %esi
    mov $40, %ebx
1:  test $1, %bl
    jz first
    test $2, %bl
    jz second
    jmp target
first:
    rol $1, %eax
    jmp target
second:
    rol $2, %eax
    jmp target
back:
    dec %ebx
    jz 3f
    test $7, %bl
    jnz 1b
    mov %edx, 2(%esi) /* of the immediate */
    rol $5, %edx
    jmp 1b
3:  mov %eax, OUT(0)
    mov %ecx, OUT(1)
    finish
    .balign 4096
    .zero 64, 0x90
target:
    add $0x12345678, %ecx
    rol $3, %ecx
    jmp back
    .balign 4096
    tables
