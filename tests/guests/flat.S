# Shows a flat binary: no header at all; the loader puts it at 1 MB (--load flat@0x100000) and starts
# it at its first byte, in 32-bit protected mode with flat segments. Exit code 0.
    .globl start
start:
    movl $text, %esi
    movl $length, %ecx
    movw $0xe9, %dx
    rep outsb
    xorl %eax, %eax
    outl %eax, $0xf4
1:  cli
    hlt
    jmp 1b
text:
    .ascii "Hello from a flat binary.\n"
    .set length, . - text
