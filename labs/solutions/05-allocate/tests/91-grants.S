/* name: a chain of grants
 * points: 3
 * hint: a grant counts if no grant that counts before it gave one of its ports to another machine
 */
#define VMS 3
#define PLAN 64, 0, 0, 0, 0
#define GRANTS grant 0, 0x70, 1; grant 1, 0x70, 2; grant 2, 0x71, 1; grant 1, 0xe8, 2; grant 0, 0xe9, 1; grant 1, 0x21, 1; grant 1, 0x20, 2
#include "guest.inc"
    vm 0
    mov $0x0f, %al
    out %al, $0x70
    in $0x71, %al
    out %al, $0xe9
    in $0x21, %al
    finish
    vm 1
    in $0x70, %al
    in $0x71, %al
    out %al, $0xe9
    in $0x20, %ax
    in $0x20, %eax
    finish
    vm 2
    in $0x71, %al
    in $0x70, %ax
    out %al, $0xe9
    finish
    end
