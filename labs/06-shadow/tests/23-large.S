/* name: a page of 4 MB
 * points: 4
 * hint: A and D are in the directory entry; the shadow has a table all the same, which allows everything
 */
#include "guest.inc"
begin:
    movl $LARGE+P+RW+US, DIRECTORY(2)
    mov %cr4, %eax
    or $0x10, %eax
    mov %eax, %cr4
    setup
    mov 0x800000 + 0x210000, %eax
    mov DIRECTORY(2), %ebx
    mov %ebp, 0x800000 + 0x210004
    mov DIRECTORY(2), %esi
    movl $0x211000 + P+RW+US, 0x800000 + ENTRY(0)
    mov PAGE(0), %ecx
    movl $0x212000 + P+RW+US, 0x800000 + ENTRY(0)
    invlpg PAGE(0)
    mov PAGE(0), %edx
    andl $~RW, DIRECTORY(2)
    mov %cr3, %ebx
    mov %ebx, %cr3
    expect 1f
    mov %ebp, 0x800000 + 0x210008
1:  mov %cr3, %ebx
    andl $~DIRTY, DIRECTORY(2)
    orl $RW, DIRECTORY(2)
    mov %ebx, %cr3
    mov %ebp, 0x800000 + 0x21000c
    mov DIRECTORY(2), %edi
    finish
    tables
