/* name: a frame across two pages
 * points: 2
 * hint: the second page of the frame is absent: nothing is written to the first
 */
#include "guest.inc"
begin:
    setup
    gate 14, handler, INTERRUPT, CONFORMING
    gate 0x30, handler, INTERRUPT + FOR_USER
    paging
    movl $0x182007, AT(page_table) + 0x608
    movl $0x181008, AT(tss) + 4

    enter_user user
user:
    int $0x30
handler:
    mov 4(%esp), %ecx
    finish
    tables
    page_tables
