/* name: more than was promised
 * points: 3
 * hint: a VM may have more than it was promised, as long as all promises can be kept
 */
#define VMS 2
#define PLAN 16, 4, 2, 0, 0
#define GRANTS 
#include "guest.inc"
    vm 0
    touch 0, 9
    finish
    vm 1
    nop
    finish
    end
