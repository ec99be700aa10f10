/* name: a halt, and an interrupt
 * points: 3
 * hint: HLT: VMM_EXIT_IDLE; INTR: the vector goes to EVENTINJ, type 0
 */
#include "guest.inc"
begin:
    setup
    gate 0x20, handler
    timer
    sti
    hlt
    mov %ebp, %eax
    finish
handler:
    mov $0x20, %al
    out %al, $0x20
    inc %ebp
    iret
    tables
