# The start of a paravirtual guest: the Multiboot header and a stack. Interrupts are masked as the
# VMM starts us, and CLI is not ours.
    .section .multiboot, "a"
    .balign 4
    .long 0x1BADB002, 0x3, -(0x1BADB002 + 0x3)

    .section .text.start, "ax"
    .globl _start
_start:
    movl $stack_top, %esp
    xorl %ebp, %ebp
    pushl %ebx
    pushl %eax
    call main
    ud2

    .text
# Handlers note the vector and go on where `recover` says.
    .globl on_general, on_page, on_back
on_general:
    movl $13, caught
    jmp 1f
on_page:
    movl $14, caught
    jmp 1f
on_back:
    movl $0x81, caught
1:  movl recover_esp, %esp
    movl recover, %eax
    jmp *%eax

# uint32_t try(void (*code)(void)): runs it; the vector that it raised, 0 if none.
    .globl try
try:
    pushl %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    movl $0, caught
    movl $2f, recover
    movl %esp, recover_esp
    movl 20(%esp), %eax
    call *%eax
2:  popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    movl caught, %eax
    ret

    .globl user_code
user_code:
    int $0x81

    .bss
    .balign 4096
    .space 16384
stack_top:
    .globl caught
caught: .space 4
recover: .space 4
recover_esp: .space 4
