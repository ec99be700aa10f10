/* name: mov to control registers
 * points: 3
 * hint: CR0.ET cannot be cleared; CR0, CR3 and CR4 concern the allocator (VMM_OUTCOME_ADDRESS_SPACE) */
#include "guest.inc"
begin:
    mov AT(random), %ebx
    mov %ebx, %cr2
    mov AT(random) + 4, %ecx
    and $0xfffff000, %ecx
    mov %ecx, %cr3
    mov %cr0, %eax
    or $0x0001002a, %eax
    mov %eax, %cr0
    mov %cr0, %eax
    and $0xffffffef, %eax
    and $0xfffffff7, %eax
    mov %eax, %cr0
    mov $0x90, %edx
    mov %edx, %cr4
    xor %edx, %edx
    mov %edx, %cr4
    finish
