/* name: hidden page faults
 * points: 2
 * hint: a page fault is the allocator's: it knows whether the page is missing in its own tables only */
#include "guest.inc"
begin:
    mov AT(random), %eax
    mov %eax, 0x300000
    add AT(random) + 4, %eax
    mov %eax, 0x302ffe
    mov 0x300000, %ebx
    mov 0x302ffe, %ecx
    finish
