/* name: a page that is written later
 * points: 3
 * hint: while writes are logged a read maps the page without R/W; the write comes to fill, which sets it
 */
#define SPECIAL 'L'
#include "guest.inc"
begin:
    mov AT(random), %edx
    mov 0x200000, %eax
    mov %edx, 0x200004
    mov %edx, 0x201000
    mov 0x200004, %ebx
    mov %edx, 0x200008
    mov 0x201000, %ecx
    mov 0x202000, %esi
    incl 0x202000
    finish
