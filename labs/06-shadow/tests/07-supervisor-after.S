/* name: a page that the supervisor has used
 * points: 3
 * hint: the kernel's access must not open the page to the user
 */
#include "guest.inc"
begin:
    map 0, P+RW
    setup
    mov PAGE(0), %eax
    mov %ebp, PAGE(0)
    enter_user user
user:
    expect 1f
    mov PAGE(0), %ecx
1:  expect 2f
    mov %ebp, PAGE(0)
2:  finish
    tables
