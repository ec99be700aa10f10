/* name: prefixes, and ports at the edge
 * points: 2
 * hint: `length` counts prefixes; a port has sixteen bits
 */
#include "guest.inc"
begin:
    mov AT(random), %eax
    mov $0xffff, %dx
    out %al, %dx
    es in %dx, %al
    mov $0x8080, %dx
    mov AT(random) + 4, %eax
    out %ax, %dx
    in %dx, %eax
    mov $1, %eax
    .byte 0x2e, 0x26, 0x0f, 0xa2 /* CPUID */
    finish
