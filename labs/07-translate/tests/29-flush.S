/* name: the code cache is emptied
 * points: 3
 * hint: flushed() means that every link is gone, and numbers begin again
 */
#include "guest.inc"
begin:
    setup
    paging
    map 1, AT(patched)
    mov AT(random), %eax
    mov $3, %ebx
1:  mov $20, %ecx
    .set bit, 0
2:  .rept 30
    add %ecx, %eax
    test $(1 << (bit % 3)), %cl
    .set bit, bit + 1
    jnz 3f
    rol $1, %eax
3:  inc %eax
    .endr
    dec %ecx
    jnz 2b
    /* The last 4 MB of the address space are where the cache is, until the guest maps them. */
    mov AT(directory) + 4, %edx
    mov %edx, AT(directory) + 1023 * 4
    mov 0xffc01000, %edx
    add %edx, OUT(1)
    mov $12, %ecx
4:  call patched
    mov %eax, AT(patched) + 1
    dec %ecx
    jnz 4b
    dec %ebx
    jnz 1b
    mov %eax, OUT(0)
    finish
    .balign 4096
patched:
    add $0x12345678, %eax
    test $1, %cl
    jnz 5f
    rol $3, %eax
5:  ret
    .balign 4096
    tables
    page_tables
