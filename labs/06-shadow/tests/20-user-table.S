/* name: a page table in the hands of the user
 * points: 4
 * hint: a traced page is never writable in the shadow: VMM_SHADOW_TRACE, whoever writes
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    movl $AT(space) + P+RW+US, ENTRY(5)
    setup
    enter_user user
user:
    mov PAGE(0), %eax
    mov PAGE(5), %ebx
    movl $0x211000 + P+RW+US, PAGE(5)
    expect 1f
    mov PAGE(9), %eax
1:
    mov PAGE(0), %ecx
    movb $0x20, PAGE(5) + 1
    expect 2f
    mov PAGE(9), %eax
2:
    mov PAGE(0), %edx
    mov PAGE(5), %esi
    finish
    tables
