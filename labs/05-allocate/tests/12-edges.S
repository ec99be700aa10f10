/* name: the first and the last port
 * points: 3
 * hint: count ports from first on
 */
#define VMS 2
#define PLAN 64, 0, 0, 0, 0
#define GRANTS grant 0, 0x41, 2; grant 0, 0x60, 1; grant 1, 0x71, 1; grant 1, 0xe9, 1
#include "guest.inc"
    vm 0
    in $0x40, %al
    in $0x41, %al
    in $0x42, %al
    mov $0xff, %al
    in $0x43, %al
    in $0x60, %al
    in $0x61, %al
    finish
    vm 1
    in $0x70, %al
    in $0x71, %al
    in $0x72, %al
    out %al, $0xe8
    out %al, $0xe9
    out %al, $0xea
    finish
    end
