/* name: where there is no memory
 * points: 2
 * hint: fill: VMM_NO_FRAME is no place; the local APIC of the real machine at 0xfee00000 is none of this VM
 */
#include "guest.inc"
begin:
    mov AT(random), %edx
    mov 0x400000, %eax
    mov %edx, 0x7ffffc
    mov 0x7ffffc, %ebx
    mov 0xfee00020, %ecx
    mov %edx, 0xfee00300
    movzbl 0xfffff000, %esi
    finish
