# Where the kernel starts: the Multiboot header, a stack, and on to C. The loader leaves flat
# segments, paging off, EAX = 0x2BADB002 and EBX = the information structure (Multiboot 1, 3.2).
    .section .multiboot, "a"
    .balign 4
    .long 0x1BADB002, 0x3, -(0x1BADB002 + 0x3)

    .text
    .globl _start
_start:
#ifndef PARAVIRTUAL
    cli
#endif
    cld
    movl $boot_stack_top, %esp
    xorl %ebp, %ebp
    pushl %ebx
    pushl %eax
    call kernel_main

    .bss
    .balign 16
    .space 4096
boot_stack_top:
