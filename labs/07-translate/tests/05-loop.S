/* name: LOOP and JECXZ
 * points: 2
 * hint: LOOP, LOOPE, LOOPNE and JECXZ are BRANCHes, too
 */
#include "guest.inc"
begin:
    setup
    mov $12, %ecx
1:  add %ecx, %eax
    loop 1b
    mov $40, %ecx
2:  rol $1, %edx
    test $1, %dl
    loopne 2b
    mov %ecx, OUT(0)
    mov $40, %ecx
3:  ror $1, %edx
    test $1, %dl
    loope 3b
    mov %ecx, OUT(1)
    mov $5, %ecx
4:  jecxz 5f
    dec %ecx
    mov %cl, %al
    jmp 4b
5:  mov $0x50000, %ecx
    jcxz 6f
    inc %eax
6:  mov %eax, OUT(2)
    finish
    tables
