/* name: CLI and STI
 * points: 2
 * hint: the real IF is the virtual one (IOPL 1): they are copied
 */
#include "guest.inc"
begin:
    setup
    times 20
    sti
    add %ecx, %eax
    pushf
    cli
    pop %edx
    pushf
    pop %ebx
    sub %ebx, %edx
    add %edx, OUT(0)
    sti
    cli
    again
    finish
    tables
