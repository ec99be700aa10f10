/* name: hlt in ring 0
 * points: 2
 * hint: the processor idles (VMM_OUTCOME_IDLE); EIP is behind HLT */
#include "guest.inc"
begin:
    mov AT(random), %eax
    cli
    hlt
    mov $1, %ecx
    finish
