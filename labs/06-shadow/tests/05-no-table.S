/* name: an absent page table
 * points: 2
 * hint: a directory entry that is not present: nothing in memory changes
 */
#include "guest.inc"
begin:
    setup
    expect 1f
    mov 0x800000, %eax
1:  mov DIRECTORY(2), %eax
    enter_user user
user:
    expect 2f
    mov %ebp, 0xbffffc
2:  finish
    tables
