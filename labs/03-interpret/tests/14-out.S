/* name: out
 * points: 2
 * hint: the port is the immediate byte or DX, the value AL, AX or EAX: VMM_OUTCOME_PORT */
#include "guest.inc"
begin:
    mov AT(random), %eax
    out %al, $0xe9
    mov AT(random) + 4, %eax
    mov $0xe9, %edx
    out %al, %dx
    mov $0xb0, %al
    out %al, $0x43
    mov %ah, %al
    mov $0x42, %edx
    out %al, %dx
    out %ax, $0x80
    out %eax, $0x80
    finish
