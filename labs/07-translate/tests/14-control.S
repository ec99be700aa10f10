/* name: control registers
 * points: 3
 * hint: reads are READs of a word; writes are the VMM's
 */
#include "guest.inc"
begin:
    setup
    mov %esi, %cr2
    mov %ecx, %ebx
    and $0xfff000, %ebx
    mov %ebx, %cr3
    times 10
    mov %cr0, %eax
    mov %cr2, %ecx
    mov %cr3, %edx
    mov %cr4, %ebp
    add %eax, OUT(0)
    add %ecx, OUT(1)
    add %edx, OUT(2)
    add %ebp, OUT(3)
    mov %cr2, %edi
    add %edi, OUT(4)
    again
    mov %cr0, %eax
    or $0x10020, %eax
    mov %eax, %cr0
    mov %cr0, %ebx
    clts
    smsw %ecx
    finish
    tables
