/* name: a void grant takes nothing
 * points: 3
 * hint: what a void grant would have covered is still to be had
 */
#define VMS 3
#define PLAN 64, 0, 0, 0, 0
#define GRANTS grant 0, 0x40, 1; grant 1, 0x40, 0x22; grant 2, 0x61, 1; grant 1, 0xe9, 1; grant 2, 0xe9, 1
#include "guest.inc"
    vm 0
    in $0x40, %al
    finish
    vm 1
    in $0x61, %al
    out %al, $0xe9
    finish
    vm 2
    in $0x61, %al
    out %al, $0xe9
    finish
    end
