/* name: INT n, INT3 and INTO
 * points: 2
 * hint: the address to return to is behind the instruction: EIP + event.length
 */
#include "guest.inc"
begin:
    setup
    gate 0x30, handler
    gate 3, handler
    gate 4, handler
    int $0x30
    int3
    mov $0x7fffffff, %eax
    add $1, %eax
    into
    finish
handler:
    mov (%esp), %ecx
    iret
    tables
