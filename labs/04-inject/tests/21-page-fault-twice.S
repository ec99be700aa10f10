/* name: a fault while a page fault is delivered
 * points: 2
 * hint: after a page fault a page fault or a contributory exception is a double fault; CR2 is that of the last page fault
 */
#include "guest.inc"
begin:
    setup
    gate 14, handler, INTERRUPT, ABSENT_CODE
    gate 8, double
    paging
    mov 0x180010, %eax
    hlt
handler:
    hlt
double:
    pop %ecx
    mov %cr2, %edx
    finish
    tables
    page_tables
