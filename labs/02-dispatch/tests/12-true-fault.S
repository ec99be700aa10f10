/* name: a page fault of the guest's own
 * points: 2
 * hint: the allocator finds out that it is true, and hands it to the guest */
#include "guest.inc"
begin:
    setup
    paging
    mov AT(random), %ecx
    mov %ecx, 0x102000
    mov 0x102000, %edx
    mov %edx, 0x300000
    finish
    tables
