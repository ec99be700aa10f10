/* name: who the processor is
 * points: 2
 * hint: CPUID: EAX, EBX, ECX, EDX; EIP is yours to move
 */
#include "guest.inc"
begin:
    xor %eax, %eax
    cpuid
    mov $1, %eax
    mov AT(random), %ebx
    cpuid
    mov $2, %eax
    cpuid
    mov AT(random) + 4, %eax
    and $0x7, %eax
    or $0x80000000, %eax
    ds cpuid
    mov $0x40000000, %eax
    cpuid
    finish
