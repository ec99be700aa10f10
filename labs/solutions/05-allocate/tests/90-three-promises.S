/* name: three promises, and a greedy one
 * points: 3
 * hint: what the others were promised and do not have yet stays free, however often somebody asks
 */
#define VMS 3
#define PLAN 20, 4, 5, 6, 0
#define GRANTS grant 2, 0xe9, 1
#include "guest.inc"
    vm 0
    touch 0, 12
    finish
    vm 1
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    nop
    touch 0, 3
    finish
    vm 2
    touch 0, 4
    out %al, $0xe9
    finish
    end
