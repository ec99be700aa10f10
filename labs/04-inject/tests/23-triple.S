/* name: a triple fault
 * points: 1
 * hint: a fault while a double fault is delivered stops the processor: VMM_NESTED_SHUTDOWN
 */
#include "guest.inc"
begin:
    setup
    gate 13, handler, ABSENT
    gate 8, handler, ABSENT
    mov $BEYOND, %eax
    mov %eax, %fs
    finish
handler:
    hlt
    tables
