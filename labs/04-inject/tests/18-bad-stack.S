/* name: a TSS with a bad stack
 * points: 3
 * hint: #TS with error code SS for a null selector, a wrong RPL or DPL, or no writable data; #SS if it is not present
 */
#include "guest.inc"
begin:
    setup
    gate 0x30, handler, INTERRUPT + FOR_USER
    gate 10, fault, INTERRUPT, CONFORMING
    gate 12, fault, INTERRUPT, CONFORMING
    enter_user user
user:
    movw $0, AT(tss) + 8
    int $0x30
    movw $READ_ONLY, AT(tss) + 8
    int $0x30
    movw $USER_DATA, AT(tss) + 8
    int $0x30
    movw $RING1_DATA - 1, AT(tss) + 8
    int $0x30
    movw $DATA + 1, AT(tss) + 8
    int $0x30
    movw $ABSENT_DATA, AT(tss) + 8
    int $0x30
    movw $CODE, AT(tss) + 8
    int $0x30
    movw $BEYOND, AT(tss) + 8
    int $0x30
    movw $BASED_DATA, AT(tss) + 8
    subl $0x1000, AT(tss) + 4
    int $0x30
fault:
    pop %ecx
    addl $2, (%esp)
    iret
handler:
    mov 12(%esp), %ecx
    finish
    tables
