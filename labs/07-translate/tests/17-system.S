/* name: ports, CPUID, RDTSC and others
 * points: 2
 * hint: privileged ones may be copied, as they trap; but it costs less to call out for them
 */
#include "guest.inc"
begin:
    setup
    mov $0x80, %dx
    out %al, %dx
    in $0x80, %al
    mov $'x', %al
    out %al, $0xe9
    xor %eax, %eax
    cpuid
    mov %ebx, OUT(0)
    rdtsc
    mov %eax, OUT(1)
    pause
    rdtsc
    sub OUT(1), %eax
    invlpg OUT(0)
    wbinvd
    str %ecx
    arpl %ax, %cx
    finish
    tables
