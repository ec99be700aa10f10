/* name: an exception with an error code
 * points: 2
 * hint: the error code is pushed last, and only if the event has one
 */
#include "guest.inc"
begin:
    setup
    gate 13, handler
    mov %ebx, %cr2
    mov $BEYOND, %eax
    mov %eax, %fs
    hlt
handler:
    pop %ecx
    mov (%esp), %edx
    mov %cr2, %ebp
    finish
    tables
