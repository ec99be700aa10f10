/* name: an absent page
 * points: 3
 * hint: a true fault; the error code has 2 for a write and 4 for the user; A is set in the directory, where the processor has been
 */
#include "guest.inc"
begin:
    setup
    expect 1f
    mov PAGE(3), %eax
1:  mov DIRECTORY(1), %eax
    expect 2f
    mov %ebp, PAGE(3) + 0x123
2:  mov ENTRY(3), %eax
    enter_user user
user:
    expect 3f
    mov PAGE(4), %eax
3:  expect 4f
    mov %ebp, PAGE(4) + 0xabc
4:  finish
    tables
