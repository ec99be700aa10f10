/* name: control registers
 * points: 2
 * hint: CR0 but for TS and MP, and CR4, exit; CR2 and CR3 are the guest's own
 */
#include "guest.inc"
begin:
    setup
    mov AT(random), %eax
    mov %eax, %cr2
    mov %cr2, %ebx
    mov %cr4, %eax
    or $0x10, %eax
    mov %eax, %cr4
    mov %cr4, %ecx
    mov $AT(directory), %eax
    mov %eax, %cr3
    mov %cr3, %ebx
    mov %cr0, %eax
    or $8, %eax
    mov %eax, %cr0
    clts
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    smsw %cx
    finish
    tables
