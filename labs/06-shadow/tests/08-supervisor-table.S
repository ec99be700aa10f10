/* name: a page table of the supervisor
 * points: 3
 * hint: the rights of both levels count
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    andl $~US, DIRECTORY(1)
    setup
    mov PAGE(0), %eax
    mov %ebp, PAGE(0) + 4
    enter_user user
user:
    expect 1f
    mov PAGE(0), %ecx
1:  expect 2f
    mov %ebp, PAGE(0)
2:  finish
    tables
