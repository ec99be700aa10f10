/* name: another page at the same address
 * points: 3
 * hint: keep: an entry that leads elsewhere now must not stay
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    setup
    mov PAGE(0), %eax
    map 0, P+RW+US, 1
    invlpg PAGE(0)
    mov PAGE(0), %ecx
    movb $0x20, ENTRY(0) + 1
    invlpg PAGE(0)
    mov PAGE(0), %esi
    mov ENTRY(0), %ebx
    finish
    tables
