/* name: the code of a page is exchanged
 * points: 3
 * hint: a unit also dies when the guest maps another page at its address; that, too, is unlink()
 */
#include "guest.inc"
begin:
    setup
    paging
    mov AT(random), %eax
    map 0, AT(one)
    mov $30, %ebx
1:  mov $5, %ecx
2:  call 0x400000
    dec %ecx
    jnz 2b
    test $1, %bl
    jz 3f
    map 0, AT(two)
    jmp 4f
3:  map 0, AT(one)
4:  invlpg 0x400000
    dec %ebx
    jnz 1b
    mov %eax, OUT(0)
    finish
    .balign 4096
one:
    add %ecx, %eax
    rol $3, %eax
    ret
    .balign 4096
two:
    sub %ecx, %eax
    rol $5, %eax
    ret
    .balign 4096
    tables
    page_tables
