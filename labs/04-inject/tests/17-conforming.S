/* name: a conforming handler
 * points: 2
 * hint: a conforming code segment runs in the caller's ring, on its stack
 */
#include "guest.inc"
begin:
    setup
    gate 0x30, handler, TRAP + FOR_USER, CONFORMING
    gate 0x31, end, TRAP + FOR_USER
    enter_user user
user:
    int $0x30
    int $0x31
handler:
    mov (%esp), %ecx
    iret
end:
    finish
    tables
