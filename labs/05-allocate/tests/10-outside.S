/* name: a page table that points outside
 * points: 3
 * hint: what is beyond a VM's memory needs no frame; what it reads there are ones
 */
#define VMS 2
#define PLAN 16, 6, 8, 0, 0
#define GRANTS 
#include "guest.inc"
    vm 0
    touch 0, 5
    finish
    vm 1
    movl $0x111000 + 7, PAGE(0)
    movl $0x100007, PAGE(1) + 0x400
    movl $0x110007, PAGE(1) + 0x440
    movl $0x7ff00007, PAGE(1) + 0x444
    movl $0x00200007, PAGE(1) + 0x448
    mov $PAGE(0), %ebx
    mov %ebx, %cr3
    mov %cr0, %ebx
    or $0x80000000, %ebx
    mov %ebx, %cr0
    mov PAGE(1), %edx
    mov %eax, PAGE(1)
    mov PAGE(1), %esi
    mov PAGE(2), %edi
    finish
    end
