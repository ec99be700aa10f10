/* name: a page is taken away
 * points: 3
 * hint: keep: an entry that is not present any more allows nothing
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    map 1, P+RW, 1
    setup
    mov %ebp, PAGE(0)
    andl $~P, ENTRY(0)
    invlpg PAGE(0)
    expect 1f
    mov PAGE(0), %eax
1:  mov ENTRY(0), %ecx
    mov %ebp, PAGE(1)
    andl $~P, ENTRY(1)
    invlpg PAGE(1)
    expect 2f
    mov PAGE(1), %eax
2:
    finish
    tables
