# Input and output without a network: a boot sector that enters protected mode and paging, reads
# sectors from its own disk (libvmm/machine/devices/disk.h) with REP INSB, and for each prints the sum
# of its double words on COM1, polling the transmitter (16550: line status register, bit 5). The word
# at 7DFA says how many. Nothing here is sensitive and unprivileged, so that any technique runs it.
# Exit code 0; 1 without a disk.
    .set SECTORS, 8
    .set DIRECTORY, 0x10000
    .set TABLE, 0x11000
    .set BUFFER, 0x20000
    .set STACK, 0x30000
    .set DISK_LBA, 0x560
    .set DISK_DATA, 0x564
    .set DISK_STATUS, 0x565
    .set UART, 0x3F8
    .set LINE_STATUS, 5
    .set EMPTY, 0x20

    .code16
    .globl start
start:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl pointer
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $0x08, $protected

    .code32
protected:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $STACK, %esp           # on no page with code: a translator would have to watch it

    movl $TABLE, %edi           # the first 4 MB one to one
    movl $0x7, %eax
    movl $1024, %ecx
1:  stosl
    addl $0x1000, %eax
    loop 1b
    movl $DIRECTORY, %edi
    xorl %eax, %eax
    movl $1024, %ecx
    rep stosl
    movl $TABLE + 7, DIRECTORY
    movl $DIRECTORY, %eax
    movl %eax, %cr3
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0

    movl rounds, %ebp
next_sector:
    movw $DISK_LBA, %dx
    movl %ebp, %eax
    andl $SECTORS - 1, %eax
    outl %eax, %dx              # the last byte of it starts the transfer
    movw $DISK_STATUS, %dx
    inb %dx, %al
    testb %al, %al
    jnz failed
    movl $BUFFER, %edi
    movl $512, %ecx
    movw $DISK_DATA, %dx
    rep insb

    movl $BUFFER, %esi
    movl $128, %ecx
    xorl %ebx, %ebx
1:  lodsl
    addl %eax, %ebx
    loop 1b

    movl $8, %ecx               # the sum, hexadecimal
1:  roll $4, %ebx
    movl %ebx, %eax
    andl $15, %eax
    movb digits(%eax), %al
    call put
    loop 1b
    movb $'\n', %al
    call put
    decl %ebp
    jnz next_sector
    xorl %eax, %eax
    jmp finish
failed:
    movl $1, %eax
finish:
    outl %eax, $0xF4
    cli
    hlt

put:
    movb %al, %ah
    movw $UART + LINE_STATUS, %dx
2:  inb %dx, %al
    testb $EMPTY, %al
    jz 2b
    movb %ah, %al
    movw $UART, %dx
    outb %al, %dx
    ret

digits: .ascii "0123456789abcdef"
    .balign 8
gdt:
    .quad 0
    .quad 0x00CF9B000000FFFF
    .quad 0x00CF93000000FFFF
pointer:
    .word . - gdt - 1
    .long gdt

    .org 506
rounds: .long 4
    .word 0xAA55
    .set byte, 0
    .rept (SECTORS - 1) * 128
    .long byte * 0x01010101 + 0x9E3779B9
    .set byte, byte + 1
    .endr
