/* name: mov from a control register in ring 3
 * points: 1
 * hint: it is for CPL 0, whatever IOPL is; otherwise #GP(0) */
#include "guest.inc"
begin:
    enter_user user, 3
user:
    mov %cr0, %eax
    finish
    tables
