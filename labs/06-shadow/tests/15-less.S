/* name: rights are taken away
 * points: 3
 * hint: keep: R/W and U/S that the guest has taken back are not kept
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    map 1, P+RW+US, 1
    setup
    mov %ebp, PAGE(0)
    mov %ebp, PAGE(1)
    andl $~RW, ENTRY(0)
    andl $~US, ENTRY(1)
    invlpg PAGE(0)
    invlpg PAGE(1)
    expect 1f
    mov %edx, PAGE(0)
1:  enter_user user
user:
    expect 2f
    mov PAGE(1), %eax
2:  finish
    tables
