/* name: two grants to the same VM
 * points: 2
 * hint: grants to the same VM may overlap, and an access may need both
 */
#define VMS 2
#define PLAN 64, 0, 0, 0, 0
#define GRANTS grant 0, 0x60, 1; grant 0, 0x60, 2; grant 0, 0x62, 2; grant 1, 0x62, 1
#include "guest.inc"
    vm 0
    in $0x60, %ax
    in $0x60, %eax
    finish
    vm 1
    in $0x62, %al
    finish
    end
