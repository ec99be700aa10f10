/* name: far transfers, INT and IRET
 * points: 3
 * hint: what loads CS is the VMM's; it cannot be copied
 */
#include "guest.inc"
begin:
    setup
    gate 0x30, handler
    mov $OUT(16), %edi
    times 3
    int $0x30
    push %cs
    push $AT(1f)
    lret
1:  lcall $CODE, $AT(2f)
    ljmp $CODE, $AT(3f)
2:  mov (%esp), %edx
    add %edx, OUT(0)
    lret
3:  pushf
    push %cs
    push $AT(4f)
    iret
4:  again
    finish
handler:
    mov (%esp), %ecx
    add %ecx, OUT(1)
    incl OUT(2)
    iret
    tables
