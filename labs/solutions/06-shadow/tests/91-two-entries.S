/* name: one page at two addresses
 * points: 3
 * hint: each entry has its own A, D and rights, whatever page it leads to
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    map 1, P+US
    setup
    mov %ebp, PAGE(0)
    mov PAGE(1), %eax
    mov ENTRY(0), %esi
    mov ENTRY(1), %edi
    expect 1f
    mov %edx, PAGE(1)
1:  movl $(0x211000 + P + RW), ENTRY(1)
    mov %cr3, %ebx
    mov %ebx, %cr3
    mov PAGE(1), %ecx
    mov %edx, PAGE(1)
    mov ENTRY(1), %edi
    mov ENTRY(0), %esi
    mov PAGE(0), %ecx
    finish
    tables
