/* name: a return to a task that is not there
 * points: 3
 * hint: IRET with NT set goes by the task: the processor has come to the VMM's own tables, where nothing may be written. trap->monitor says so, and the routine looks at the guest's */
#include "guest.inc"
begin:
    setup
    mov AT(random), %ecx
    movw $0x40, AT(tss)
    push $0x4002
    popf
    iret
    finish
    tables
