/* name: a promise is kept
 * points: 4
 * hint: what the others were promised and do not have yet is not given away
 */
#define VMS 2
#define PLAN 14, 8, 0, 0, 0
#define GRANTS 
#include "guest.inc"
    vm 0
    mov $24, %ecx
2:  dec %ecx
    jnz 2b
    touch 0, 7
    finish
    vm 1
    touch 0, 20
    finish
    end
