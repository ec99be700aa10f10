/* name: a page fault
 * points: 2
 * hint: CR2 becomes event.address; the error code is the event's
 */
#include "guest.inc"
begin:
    setup
    gate 14, handler
    paging
    movl $0x181800, AT(tss) + 4
    enter_user user
user:
    mov AT(random), %eax
    and $0xffc, %eax
    mov %ecx, 0x180000(%eax)
    hlt
handler:
    pop %ecx
    mov %cr2, %edx
    finish
    tables
    page_tables
