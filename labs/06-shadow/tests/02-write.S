/* name: a write
 * points: 3
 * hint: a write sets A and D in the entry that maps the page, A alone in the directory
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    setup
    mov %ebp, PAGE(0)
    mov ENTRY(0), %ebx
    mov DIRECTORY(1), %esi
    mov PAGE(0), %edi
    finish
    tables
