/* name: a stack that is not present
 * points: 2
 * hint: #SS of a sensitive instruction: the guest has to see what its own ring 0 would have seen, which is #GP, as the selector asks for ring 1 */
#include "guest.inc"
begin:
    setup
    mov AT(random), %ecx
    mov $0x39, %eax
    mov %eax, %ss
    finish
    tables
