/* name: strings of input and output
 * points: 2
 * hint: EXITINFO1 bit 2 is set: the routine knows memory, and REP
 */
#include "guest.inc"
begin:
    setup
    cld
    mov $AT(random), %esi
    mov $0xe9, %dx
    outsb
    mov $5, %ecx
    rep outsb
    mov $0x200001, %edi
    mov $0x3fd, %dx
    mov $4, %ecx
    rep insb
    mov 0x200000, %eax
    mov $0xe9, %dx
    mov $2, %ecx
    rep outsw
    finish
    tables
