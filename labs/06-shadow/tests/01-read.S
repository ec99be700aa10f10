/* name: a read
 * points: 3
 * hint: hidden: the guest's tables allow it; A is set in both entries, D in none
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    map 1, P+RW+US, 1
    setup
    mov PAGE(0), %eax
    mov ENTRY(0), %ebx
    mov DIRECTORY(1), %esi
    mov PAGE(1), %ecx
    mov ENTRY(1), %edi
    finish
    tables
