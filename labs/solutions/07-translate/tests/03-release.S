/* name: a RET that releases much
 * points: 2
 * hint: a RET op releases at most VMM_RET_MOST bytes
 */
#include "guest.inc"
begin:
    setup
    times 3
    mov %esp, %edi
    sub $0x200, %esp
    call 1f
    sub %esp, %edi
    add %edi, OUT(0)
    again
    finish
1:  ret $0x200
    tables
