/* name: a page beyond the memory
 * points: 2
 * hint: what the allocator has for it is none of the policy's business
 */
#include "guest.inc"
begin:
    movl $0xf0000000 + P+RW+US, ENTRY(0)
    setup
    mov PAGE(0), %eax
    mov %ebp, PAGE(0)
    mov PAGE(0), %ecx
    mov ENTRY(0), %esi
    finish
    tables
