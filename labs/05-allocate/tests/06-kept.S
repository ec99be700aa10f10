/* name: a promise that was kept already
 * points: 4
 * hint: what a VM has counts against its promise; what it has beyond is no credit for another
 */
#define VMS 3
#define PLAN 20, 4, 4, 0, 0
#define GRANTS 
#include "guest.inc"
    vm 0
    touch 0, 6
    finish
    vm 1
    finish
    vm 2
    mov $30, %ecx
2:  dec %ecx
    jnz 2b
    touch 0, 16
    finish
    end
