/* name: a read, then a write
 * points: 3
 * hint: the shadow of a page that was only read must not be writable: the first write has to set D
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    setup
    mov PAGE(0), %eax
    mov ENTRY(0), %ebx
    mov %ebp, PAGE(0) + 4
    mov ENTRY(0), %esi
    mov %eax, PAGE(0) + 8
    mov ENTRY(0), %edi
    finish
    tables
