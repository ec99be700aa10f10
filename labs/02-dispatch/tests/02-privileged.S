/* name: privileged instructions in ring 0
 * points: 2
 * hint: trap->instruction is the sensitive instruction that was refused; the interpreter has its routine */
#include "guest.inc"
begin:
    mov AT(random), %eax
    mov %eax, %cr2
    sti
    mov %cr2, %ebx
    cli
    out %al, $0xe9
    clts
    mov %cr0, %ecx
    finish
