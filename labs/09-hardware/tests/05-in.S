/* name: input
 * points: 2
 * hint: EXITINFO1 of IOIO: bit 0 says IN; only AL or AX changes where it is narrower
 */
#include "guest.inc"
begin:
    mov AT(random) + 4, %eax
    in $0x21, %al
    mov AT(random) + 8, %eax
    mov $0x3fd, %dx
    in %dx, %al
    mov $0x3f8, %dx
    mov AT(random) + 12, %eax
    in %dx, %ax
    mov $0x71, %dx
    in %dx, %eax
    in $0x61, %al
    finish
