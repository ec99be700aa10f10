# Shows real mode: a boot sector at 0x7C00 that prints through the BIOS (INT 10h, AH = 0Eh: teletype),
# hooks an interrupt vector of its own in the IVT (SDM 3, 20.1.4), enters protected mode, writes there
# above 1 MB, comes back to real mode (SDM 3, 9.9.2), and exits with code 0.
# The A20 gate is opened through port 0x92 first.
    .code16
    .globl start
start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    sti
    movw $hello, %si
    call puts

    movw $handler, 0x60 * 4     # IVT entry 0x60: offset, segment
    movw $0, 0x60 * 4 + 2
    int $0x60

    inb $0x92, %al              # A20; bit 0 would reset
    orb $2, %al
    andb $0xfe, %al
    outb %al, $0x92

    cli
    lgdtl pointer
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $0x08, $protected

    .code32
protected:
    movw $0x10, %ax
    movw %ax, %ds
    movl $0x12345678, 0x200000
    movl 0x200000, %ebx
    smsw %cx
    ljmpl $0x18, $back          # a 16-bit code segment first

    .code16
back:
    movw $0x20, %ax             # a 64 KB data segment: real mode keeps the limit
    movw %ax, %ds
    movl %cr0, %eax
    andb $0xfe, %al
    movl %eax, %cr0
    ljmpw $0, $real
real:
    xorw %ax, %ax
    movw %ax, %ds
    sti
    movw $failed, %si
    testb $1, %cl
    jz 1f
    cmpl $0x12345678, %ebx
    jne 1f
    movw $worked, %si
1:  call puts
    xorl %eax, %eax
    cmpw $worked, %si
    ja 2f
    incl %eax
2:  outl %eax, $0xf4
    hlt

handler:
    movw $hooked, %si
    call puts
    iretw

# The registers that a BIOS must keep are not trusted: SI is saved, BH is the page.
puts:
    lodsb
    testb %al, %al
    jz 1f
    movb $0x0e, %ah
    movw $0x0007, %bx
    pushw %si
    int $0x10
    popw %si
    jmp puts
1:  ret

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    # 0x08: code, 32 bits, flat (all accessed)
    .quad 0x00cf93000000ffff    # 0x10: data, flat
    .quad 0x00009b000000ffff    # 0x18: code, 16 bits, 64 KB
    .quad 0x000093000000ffff    # 0x20: data, 64 KB
pointer:
    .word . - gdt - 1
    .long gdt
hello:  .asciz "Hello from real mode through INT 10h.\r\n"
hooked: .asciz "INT 60h reached our own handler.\r\n"
failed: .asciz "Protected mode failed.\r\n"
worked: .asciz "Protected mode and back again.\r\n"
    .org 510
    .word 0xaa55
