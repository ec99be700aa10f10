/* name: a read-only page table
 * points: 2
 * hint: the rights of both levels count
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    andl $~RW, DIRECTORY(1)
    setup
    expect 1f
    mov %ebp, PAGE(0)
1:  mov ENTRY(0), %ecx
    enter_user user
user:
    mov PAGE(0), %eax
    expect 2f
    mov %ebp, PAGE(0)
2:  finish
    tables
