/* name: a double fault
 * points: 2
 * hint: a second contributory exception (0, 10 to 13), or any but a benign one after a page fault, is exception 8 with error code 0
 */
#include "guest.inc"
begin:
    setup
    gate 13, handler, ABSENT
    gate 8, double
    mov $BEYOND, %eax
    mov %eax, %fs
    finish
handler:
    hlt
double:
    pop %ecx
    mov (%esp), %edx
    finish
    tables
