/* name: a page becomes a page table
 * points: 4
 * hint: a page that was writable is a table by now: the write that comes next is a trace
 */
#include "guest.inc"
begin:
    map 0, P+RW+US, 4
    setup
    mov %ebp, PAGE(0) + 16
    movl $0x211000 + P+RW+US, PAGE(0)
    movl $0x214000 + P+RW+US, DIRECTORY(2)
    mov 0x800000, %eax
    andl $~ACCESSED, ENTRY(0)
    invlpg PAGE(0)
    mov PAGE(0), %ebx
    movl $0x212000 + P+RW+US, PAGE(0)
    invlpg 0x800000
    mov 0x800000, %ecx
    movl $0, PAGE(0)
    invlpg 0x800000
    expect 1f
    mov 0x800000, %edx
1:  mov PAGE(0), %eax
    finish
    tables
