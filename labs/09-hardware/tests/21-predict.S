/* name: the number of exits
 * points: 4
 * hint: predict: an exit for each intercepted event and for each page; the last OUT counts, HLT behind it does not
 */
#define SPECIAL 'P'
#define WORKLOAD .long 0, 0, 0, 0, 0, 0, 4, 2, 4
#include "guest.inc"
begin:
    lgdt AT(gdt_pointer)
    movl $AT(directory), %eax
    mov %eax, %cr3
    mov %cr0, %eax
    mov 0x300000, %eax
    mov 0x3ff000, %eax
    mov 0x500000, %eax
    mov 0x900000, %eax
.macro count index
    movzbl AT(random) + \index, %edi
    shr $1, %edi
    and $7, %edi
    inc %edi
.endm
    count 0
1:  mov $1, %eax
    cpuid
    dec %edi
    jnz 1b
    count 1
    mov $0x10, %ecx
1:  rdmsr
    dec %edi
    jnz 1b
    count 2
1:  out %al, $0x80
    dec %edi
    jnz 1b
    count 3
    mov $AT(directory), %eax
1:  mov %eax, %cr3
    dec %edi
    jnz 1b
    count 4
1:  invlpg 0x400000
    dec %edi
    jnz 1b
    count 5
1:  rdtsc
    dec %edi
    jnz 1b
    mov %eax, 0x200000
    finish
    tables
