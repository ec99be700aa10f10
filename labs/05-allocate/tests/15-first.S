/* name: first come, first served
 * points: 4
 * hint: a grant that overlaps an earlier one to another VM is void as a whole
 */
#define VMS 2
#define PLAN 64, 0, 0, 0, 0
#define GRANTS grant 0, 0xe9, 1; grant 1, 0x40, 0xb0; grant 1, 0x60, 2; grant 0, 0x61, 1
#include "guest.inc"
    vm 0
    out %al, $0xe9
    in $0x61, %al
    in $0x40, %al
    finish
    vm 1
    out %al, $0xe9
    in $0x61, %al
    mov $0x77, %al
    in $0x40, %al
    finish
    end
