/* name: ports of a word
 * points: 2
 * hint: the width is instruction.width, whatever the operand size says of the port */
#include "guest.inc"
begin:
    mov AT(random), %eax
    mov $0x3f8, %edx
    out %al, %dx
    mov AT(random) + 4, %eax
    out %ax, $0xe8
    mov AT(random) + 8, %eax
    in $0x60, %ax
    in $0x61, %eax
    finish
