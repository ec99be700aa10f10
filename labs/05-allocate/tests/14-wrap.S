/* name: an access that goes around
 * points: 2
 * hint: behind port 0xffff comes port 0
 */
#define VMS 2
#define PLAN 64, 0, 0, 0, 0
#define GRANTS grant 0, 0xffff, 1; grant 1, 0, 0x10000; grant 0, 0, 4; grant 1, 0xe9, 1
#include "guest.inc"
    vm 0
    mov $0xffff, %edx
    in %dx, %ax
    in %dx, %al
    mov $0, %edx
    in %dx, %eax
    out %al, $0xe9
    finish
    vm 1
    mov $0xfffe, %edx
    in %dx, %ax
    out %al, $0xe9
    finish
    end
