/* name: two guests at the same addresses
 * points: 3
 * hint: each page has a frame of its own
 */
#define VMS 2
#define PLAN 64, 32, 32, 0, 0
#define GRANTS 
#include "guest.inc"
    vm 0
    touch 0, 4
    mov PAGE(1), %ebx
    mov PAGE(3), %ecx
    finish
    vm 1
    not %eax
    touch 0, 4
    mov PAGE(1), %ebx
    mov PAGE(3), %ecx
    finish
    end
