/* name: the guest changes its directory
 * points: 4
 * hint: keep is asked for directory entries, too: their rights come with A alone
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    movl $0x211000 + P+RW+US, AT(other)
    setup
    mov %ebp, PAGE(0)
    mov PAGE(0), %eax
    movl $AT(other) + P+RW+US, DIRECTORY(1)
    mov %cr3, %ebx
    mov %ebx, %cr3
    mov PAGE(0), %ecx
    andl $~US, DIRECTORY(1)
    mov %ebx, %cr3
    enter_user user
user:
    expect 1f
    mov PAGE(0), %ecx
1:  andl $~P, DIRECTORY(1)
    expect 2f
    mov PAGE(0), %ecx
2:  finish
    tables
