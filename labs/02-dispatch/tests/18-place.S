/* name: a store to where the VMM lives
 * points: 2
 * hint: no sensitive instruction: the guest means the same address on its own machine. The allocator moves its tables out of the way */
#include "guest.inc"
begin:
    setup
    mov AT(random), %ecx
    mov %ecx, 0xffc00010
    mov 0xffc00010, %edx
    finish
    tables
