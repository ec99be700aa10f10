/* name: WP = 0 and a read-only page table
 * points: 2
 * hint: the level that refuses is the one to open
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    map 1, P+RW+US, 1
    andl $~RW, DIRECTORY(1)
    setup 0
    mov %ebp, PAGE(0)
    enter_user user
user:
    expect 1f
    mov %edx, PAGE(0)
1:  expect 2f
    mov %edx, PAGE(1)
2:  mov PAGE(0), %ecx
    finish
    tables
