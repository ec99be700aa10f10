/* name: strings over pages that are logged
 * points: 2
 * hint: a string instruction may fault in the middle, and goes on; each page is logged once
 */
#define SPECIAL 'L'
#include "guest.inc"
begin:
    mov AT(random), %eax
    cld
    mov $0x200ff0, %edi
    mov $8, %ecx
    rep stosl
    mov $0x201ff8, %edi
    mov $4, %ecx
    rep stosl
    mov $0x200ff0, %esi
    mov $0x3ffff8, %edi
    mov $4, %ecx
    rep movsl
    mov 0x3ffffc, %ebx
    finish
