/* name: the guest clears A
 * points: 3
 * hint: keep: without A the shadow allows nothing; the next access sets A again
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    setup
    mov PAGE(0), %eax
    andl $~ACCESSED, ENTRY(0)
    invlpg PAGE(0)
    mov ENTRY(0), %ebx
    mov PAGE(0), %ecx
    mov ENTRY(0), %esi
    andl $~ACCESSED, DIRECTORY(1)
    invlpg PAGE(0)
    mov DIRECTORY(1), %ebx
    mov PAGE(0), %ecx
    mov DIRECTORY(1), %esi
    finish
    tables
