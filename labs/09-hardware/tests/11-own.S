/* name: what is the guest's own
 * points: 3
 * hint: not an exit more than needed: no INVLPG, no PUSHF, no RDTSC, no CR3, no INT, no page fault
 */
#include "guest.inc"
begin:
    setup
    gate 14, page_fault
    gate 0x30, call, 0xee00
    movl $0x200007, ENTRY(0)
    paging
    pushf
    pop %eax
    push $0x46
    popf
    rdtsc
    mov AT(random) + 8, %edx
    mov %edx, 0x400000
    movl $0x201007, ENTRY(0)
    invlpg 0x400000
    mov 0x400000, %ecx
    mov 0x401000, %ecx
    int $0x30
    sgdt 0x200010
    sldt %ax
    mov %cr3, %eax
    mov %eax, %cr3
    mov %ss:(%esp), %eax
    sti
    cli
    finish
page_fault:
    pop %esi
    mov %cr2, %edi
    movl $0x202007, ENTRY(1)
    iret
call:
    inc %ebp
    iret
    tables
