/* name: lidt
 * points: 2
 * hint: as LGDT, and nobody has to follow */
#include "guest.inc"
begin:
    mov AT(random), %eax
    mov %eax, AT(pointer)
    mov AT(random) + 4, %eax
    mov %eax, AT(pointer) + 4
    lidt AT(pointer)
    data16 lidt AT(pointer)
    mov $AT(pointer) - 4, %ebx
    lidt 4(%ebx)
    finish
pointer:
    .long 0, 0
