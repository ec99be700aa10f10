# Start-up code of every guest in C: the Multiboot 1 header (section 3.1: magic, flags, checksum),
# and the 32-bit entry (section 3.2: EAX = 0x2BADB002, EBX = information structure, flat segments,
# paging off, no stack). The value that main returns goes to the exit port, 0xF4.
    .section .multiboot, "a"
    .balign 4
    .long 0x1BADB002, 0x3, -(0x1BADB002 + 0x3)

    .section .text.start, "ax"
    .globl _start
_start:
    cli
    movl $main_stack_top, %esp
    xorl %ebp, %ebp
    pushl $0
    popfl
    pushl %ebx
    pushl %eax
    call main
    movl %eax, %edx
    outl %eax, $0xf4
1:  cli
    hlt
    jmp 1b

    .bss
    .balign 4096
    .globl main_stack_top
    .space 16384
main_stack_top:
