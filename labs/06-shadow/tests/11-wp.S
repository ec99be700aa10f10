/* name: the supervisor writes with WP = 0
 * points: 4
 * hint: the processor's WP is 1, so the shadow must be writable for the supervisor, and closed to the user
 */
#include "guest.inc"
begin:
    map 0, P+US
    setup 0
    mov %ebp, PAGE(0)
    mov ENTRY(0), %ebx
    mov PAGE(0), %eax
    enter_user user
user:
    mov PAGE(0), %ecx
    expect 1f
    mov %edx, PAGE(0)
1:  expect 2f
    mov $AT(2f), %eax
    mov %edx, PAGE(0) + 4
2:  mov PAGE(0), %ecx
    finish
    tables
