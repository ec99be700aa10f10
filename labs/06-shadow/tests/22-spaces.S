/* name: two address spaces
 * points: 3
 * hint: tables that are not in use now are written, too
 */
#include "guest.inc"
begin:
    map 0, P+RW+US
    map 1, P+RW+US, 1
    movl $AT(table) + 7, 0x216000
    movl $AT(other) + 7, 0x216004
    movl $0x211000 + P+RW+US, AT(other)
    setup
    mov PAGE(0), %eax
    mov $0x216000, %ebx
    mov %ebx, %cr3
    mov PAGE(0), %ecx
    map 0, P+RW+US, 2
    mov $AT(directory), %ebx
    mov %ebx, %cr3
    mov PAGE(0), %edx
    mov %ebp, PAGE(1)
    mov $0x216000, %ebx
    mov %ebx, %cr3
    mov PAGE(0), %esi
    finish
    tables
