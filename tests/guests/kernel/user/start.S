# The image's header (struct image_header in kernel.h), and where a program starts: the kernel has put
# argc and the argv array at the stack pointer.
#include "layout.h"

    .section .header, "a"
    .long 0x52455355, text_end, data_end, bss_end, _start, programs

    .text
    .globl _start
_start:
    xorl %ebp, %ebp
    popl %eax
    movl %esp, %edx
    pushl %edx
    pushl %eax
    call start_program
    movl %eax, %ebx
    movl $SYS_EXIT, %eax
    int $SYSCALL_VECTOR
