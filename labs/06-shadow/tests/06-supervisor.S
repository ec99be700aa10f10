/* name: a page of the supervisor
 * points: 3
 * hint: the user may not: error code 5 or 7, and its page keeps A and D
 */
#include "guest.inc"
begin:
    map 0, P+RW
    setup
    enter_user user
user:
    expect 1f
    mov PAGE(0), %eax
1:  expect 2f
    mov %ebp, PAGE(0)
2:  mov ENTRY(0), %ecx
    finish
    tables
