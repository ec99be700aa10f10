/* name: a port of one's own
 * points: 3
 * hint: allow: the ports of the grants to this VM
 */
#define VMS 2
#define PLAN 64, 0, 0, 0, 0
#define GRANTS grant 0, 0xe9, 1; grant 1, 0x70, 2; grant 0, 0x40, 4
#include "guest.inc"
    vm 0
    out %al, $0xe9
    in $0x40, %al
    in $0x71, %al
    finish
    vm 1
    out %al, $0xe9
    mov $0x30, %al
    out %al, $0x70
    in $0x71, %al
    finish
    end
