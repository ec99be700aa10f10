/* name: rights are given
 * points: 2
 * hint: a page fault of the shadow, and the guest's entry allows the access by now
 */
#include "guest.inc"
begin:
    map 0, P
    setup
    mov PAGE(0), %eax
    orl $(RW+US), ENTRY(0)
    mov %ebp, PAGE(0)
    enter_user user
user:
    mov %edx, PAGE(0) + 4
    mov PAGE(0) + 4, %ecx
    finish
    tables
