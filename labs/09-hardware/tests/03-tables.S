/* name: every part of the guest-physical space
 * points: 2
 * hint: fill: one directory entry stands for 4 MB; a table that is there stays
 */
#include "guest.inc"
begin:
    mov AT(random), %edx
    mov $0x100000, %edi
again:
    mov %edx, 0xff0(%edi)
    add $0x5c000, %edi
    cmp $0x400000, %edi
    jb again
    mov $0x400000, %edi
beyond:
    mov (%edi), %eax
    add $0x1400000, %edi
    jnc beyond
    finish
