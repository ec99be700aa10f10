# Start-up code of @NAME@: the Multiboot 1 header, by which a boot loader knows the file, a stack, and
# on to main(). The loader leaves the processor in 32-bit protected mode with flat segments, paging
# and interrupts off, EAX = 0x2BADB002 and EBX = the address of the information structure.
    .section .multiboot, "a"
    .balign 4
    .long 0x1BADB002            # magic
    .long 0x00000003            # flags: page-align modules, give a memory map
    .long -(0x1BADB002 + 0x3)   # checksum: the three add up to 0

    .text
    .globl _start
_start:
    cli
    movl $stack_top, %esp
    pushl %ebx
    pushl %eax
    call main
    testl %eax, %eax
    jz 1f
    outl %eax, $0xf4            # main failed: its result is the exit code
1:  cli                         # all is well: a halt that nothing can end also ends the run
    hlt
    jmp 1b

    .bss
    .balign 16
    .space 16384
stack_top:
