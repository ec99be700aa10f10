/* name: impossible grants
 * points: 3
 * hint: no ports, ports behind 0xffff, nobody's: such a grant is void
 */
#define VMS 2
#define PLAN 64, 0, 0, 0, 0
#define GRANTS grant 0, 0xe9, 0; grant 2, 0x61, 1; grant 0, 0x40, 0xffff; grant 1, 0x61, 1; grant 1, 0xe9, 0xff17; grant 0, 0x42, 0xffffffff; grant 1, 0x42, 1
#include "guest.inc"
    vm 0
    out %al, $0xe9
    in $0x61, %al
    in $0x40, %al
    in $0x42, %al
    finish
    vm 1
    in $0x61, %al
    out %al, $0xe9
    in $0x42, %al
    finish
    end
