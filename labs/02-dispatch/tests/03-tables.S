/* name: loading descriptor tables
 * points: 2
 * hint: some of these fault with an error code, a selector; that does not change whose they are */
#include "guest.inc"
begin:
    setup
    mov $0x23, %eax
    mov %eax, %fs
    mov $0x30, %eax
    mov %eax, %gs
    mov AT(random), %ecx
    finish
    tables
