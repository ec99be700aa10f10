/* name: SGDT, SIDT, SLDT, STR and SMSW
 * points: 3
 * hint: they do not trap, and what they store is the VMM's
 */
#include "guest.inc"
begin:
    setup
    smsw %eax
    smsw OUT(0)
    sgdt OUT(2)
    sidt OUT(4)
    sldt %ebx
    str %ecx
    sldt OUT(6)
    str OUT(7)
    mov OUT(3), %edx
    mov OUT(5), %esi
    finish
    tables
