/* name: in
 * points: 2
 * hint: port.in is true, port.size is instruction.width; only AL, AX or EAX changes */
#include "guest.inc"
begin:
    mov AT(random), %ecx
    mov $0x30, %al
    out %al, $0x70
    mov %cl, %al
    out %al, $0x71
    mov AT(random) + 4, %eax
    mov %cl, %al
    not %al
    in $0x71, %al
    mov AT(random) + 8, %eax
    mov $0x71, %edx
    mov %cl, %al
    not %al
    in %dx, %al
    mov AT(random) + 12, %eax
    mov $0x271, %edx
    in %dx, %ax
    mov AT(random) + 16, %eax
    in %dx, %eax
    finish
