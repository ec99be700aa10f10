/* name: one's own promise
 * points: 3
 * hint: a VM that asks for what it was promised gets it, and does not owe to itself
 */
#define VMS 2
#define PLAN 12, 10, 2, 0, 0
#define GRANTS 
#include "guest.inc"
    vm 0
    touch 0, 9
    finish
    vm 1
    touch 0, 1
    finish
    end
