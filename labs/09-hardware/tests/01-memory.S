/* name: the first pages
 * points: 2
 * hint: fill: the directory entry leads to the new table, the table entry to the frame, and both have P, R/W and U/S
 */
#include "guest.inc"
begin:
    mov AT(random), %eax
    mov %eax, 0x200000
    mov 0x300000, %ebx
    mov AT(random) + 4, %ecx
    mov %ecx, 0x3ffffc
    add 0x200000, %ecx
    finish
