/* name: a handler behind a bad selector
 * points: 2
 * hint: null or no code segment: #GP; not present: #NP; the error code is the selector without RPL
 */
#include "guest.inc"
begin:
    setup
    movl $0x0000ffff, AT(gdt)
    movl $0x00cf9b00, AT(gdt) + 4
    gate 13, fault
    gate 11, fault
    gate 0x30, handler, INTERRUPT, 0
    gate 0x31, handler, INTERRUPT, DATA
    gate 0x32, handler, INTERRUPT, ABSENT_CODE
    gate 0x33, handler, INTERRUPT, USER_CODE
    gate 0x34, handler, INTERRUPT, BEYOND
    gate 0x35, handler, INTERRUPT, TASK
    int $0x30
    int $0x31
    int $0x32
    int $0x33
    int $0x34
    int $0x35
    finish
fault:
    pop %ecx
    addl $2, (%esp)
    iret
handler:
    hlt
    tables
