/* name: three guests
 * points: 4
 * hint: the promises to all others count
 */
#define VMS 3
#define PLAN 24, 8, 6, 4, 0
#define GRANTS 
#include "guest.inc"
    vm 0
    touch 0, 12
    finish
    vm 1
    mov $40, %ecx
2:  dec %ecx
    jnz 2b
    touch 0, 5
    finish
    vm 2
    mov $40, %ecx
2:  dec %ecx
    jnz 2b
    touch 0, 3
    finish
    end
