/* name: segment registers on new pages
 * points: 2
 * hint: these page faults are about the page */
#include "guest.inc"
begin:
    setup
    mov AT(random), %ecx
    mov 0x300000, %ebx
    mov %ss, 0x302000
    push %ds
    pop 0x303000
    finish
    tables
