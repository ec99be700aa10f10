/* name: code that writes its next instruction
 * points: 2
 * hint: the unit that is being executed dies, too: the VMM looks again behind the write
 */
#include "guest.inc"
begin:
    setup
    mov $AT(patch), %esi
    times 6
    mov %ecx, 1(%esi)
    nop
patch:
    add $0x12345678, %eax
    rol $3, %ecx
    again
    mov %eax, OUT(0)
    finish
    .balign 4096
    tables
