/* name: invlpg
 * points: 3
 * hint: the translation of instruction.address is stale: VMM_OUTCOME_INVALIDATE with this address */
#include "guest.inc"
begin:
    movl $0x201003, 0x200000
    movl $0x100003, 0x201400
    movl $0x201003, 0x201404
    movl $0x202003, 0x201408
    mov AT(random), %eax
    mov %eax, 0x202000
    mov AT(random) + 4, %eax
    mov %eax, 0x203000
    mov $0x200000, %eax
    mov %eax, %cr3
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    mov 0x102000, %ebx
    movl $0x203003, 0x101408
    invlpg 0x102000
    mov 0x102000, %ecx
    finish
