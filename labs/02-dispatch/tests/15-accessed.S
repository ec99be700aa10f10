/* name: a descriptor that has not been accessed
 * points: 2
 * hint: it is not present in the shadow tables, so that the VMM hears of it: #NP */
#include "guest.inc"
begin:
    setup
    mov AT(random), %ecx
    mov $0x40, %eax
    mov %eax, %es
    mov %es:AT(random), %edx
    finish
    tables
