/* name: a read-only page
 * points: 3
 * hint: with CR0.WP the supervisor may not write either: error code 3, the user's is 7
 */
#include "guest.inc"
begin:
    map 0, P+US
    map 1, P, 1
    setup
    mov PAGE(0), %eax
    expect 1f
    mov %ebp, PAGE(0)
1:  mov ENTRY(0), %ebx
    expect 2f
    mov %ebp, PAGE(1)
2:  mov ENTRY(1), %ebx
    enter_user user
user:
    mov PAGE(0), %eax
    expect 3f
    mov %ebp, PAGE(0)
3:  finish
    tables
