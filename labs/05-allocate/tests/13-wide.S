/* name: accesses of two and four bytes
 * points: 4
 * hint: all ports of an access have to be the VM's
 */
#define VMS 2
#define PLAN 64, 0, 0, 0, 0
#define GRANTS grant 0, 0x60, 2; grant 0, 0x64, 1; grant 1, 0x40, 3
#include "guest.inc"
    vm 0
    in $0x60, %ax
    in $0x61, %ax
    in $0x61, %eax
    in $0x5f, %ax
    in $0x64, %al
    finish
    vm 1
    in $0x40, %ax
    in $0x40, %eax
    in $0x41, %ax
    in $0x42, %ax
    finish
    end
