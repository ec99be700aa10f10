/* name: output
 * points: 2
 * hint: EXITINFO1 of IOIO: the port from bit 16 on, the size at bits 4 to 6
 */
#include "guest.inc"
begin:
    mov AT(random), %eax
    out %al, $0xe9
    mov %ah, %al
    mov $0xe9, %edx
    out %al, %dx
    mov AT(random) + 4, %eax
    mov $0x3f8, %dx
    out %al, %dx
    mov $0x70, %al
    out %al, $0x70
    mov AT(random) + 8, %eax
    mov $0x3ff, %dx
    out %ax, %dx
    mov $0x42, %dx
    out %ax, %dx
    in $0x43, %al
    out %eax, $0x80
    finish
