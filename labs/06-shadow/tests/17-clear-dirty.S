/* name: the guest clears D
 * points: 3
 * hint: keep: without D the shadow must not be writable; the next write sets D again
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    setup
    mov %ebp, PAGE(0)
    andl $~DIRTY, ENTRY(0)
    invlpg PAGE(0)
    mov PAGE(0), %eax
    mov ENTRY(0), %ebx
    mov %edx, PAGE(0)
    mov ENTRY(0), %esi
    finish
    tables
