/* name: mov from control registers
 * points: 2
 * hint: instruction.reg is the control register, instruction.rm the general one */
#include "guest.inc"
begin:
    mov AT(random), %eax
    mov %eax, %cr2
    mov %cr0, %ebx
    mov %cr2, %ecx
    mov %cr3, %edx
    mov %cr4, %esi
    mov %cr2, %esp
    finish
