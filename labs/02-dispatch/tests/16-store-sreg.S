/* name: a sensitive instruction on a new page
 * points: 2
 * hint: where the page is missing in the VMM's own tables only, the allocator adds it, and the processor goes on by itself */
#include "guest.inc"
begin:
    setup
    mov AT(random), %ecx
    mov %ds, 0x300000
    mov 0x300000, %dx
    finish
    tables
