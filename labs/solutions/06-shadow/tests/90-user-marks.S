/* name: a user's write, and the marks
 * points: 3
 * hint: A and D are the guest's to see whoever made the access; a user needs U/S at both levels
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    map 1, P+US, 1
    map 2, P+RW, 2
    setup
    enter_user user
user:
    mov PAGE(0), %eax
    mov ENTRY(0), %esi
    mov %ebp, PAGE(0)
    mov ENTRY(0), %edi
    mov PAGE(1), %ecx
    mov ENTRY(1), %edx
    mov DIRECTORY(1), %esi
    finish
    tables
