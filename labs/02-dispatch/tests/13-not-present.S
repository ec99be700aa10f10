/* name: a segment that is not present
 * points: 2
 * hint: #NP and #SS of a sensitive instruction are the interpreter's, too: it sees the guest's own tables */
#include "guest.inc"
begin:
    setup
    mov AT(random), %ecx
    mov $0x38, %eax
    mov %eax, %ds
    finish
    tables
