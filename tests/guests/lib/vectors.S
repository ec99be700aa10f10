# The 256 stubs, and `attempt`: run code at a ring until it traps.
    .text
    .globl stub_0, stub_1, attempt, attempt_v86, attempt_return, attempt_esp

# Each stub is 16 bytes long, so that the address of one follows from its number.
    .balign 16
    .set vector, 0
    .rept 256
    .balign 16
    .if vector == 0
stub_0:
    .elseif vector == 1
stub_1:
    .endif
    pushl $vector
    jmp common
    .set vector, vector + 1
    .endr

    .balign 16
common:
    pushfl
    cld
    pushal
    pushl %ds
    pushl %es
    pushl %fs
    pushl %gs
    movl $0x10, %eax
    movw %ax, %ds
    movw %ax, %es
    movl %esp, %eax
    pushl %eax
    call record_trap
    movl trapped, %eax

# From wherever the trap came: drop its stack, and return from `attempt` with EAX, the vector.
attempt_return:
    movl $0x10, %edx
    movw %dx, %ds
    movw %dx, %es
    movw %dx, %ss
    movl attempt_esp, %esp
    xorl %edx, %edx
    movw %dx, %fs
    movw %dx, %gs
    popfl
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    ret

# uint32_t attempt(const void *code, unsigned ring, uint32_t eflags)
attempt:
    pushl %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    pushfl
    movl %esp, attempt_esp
    movl 24(%esp), %eax
    movl 28(%esp), %edx
    movl 32(%esp), %ecx
    orl $2, %ecx
    testl %edx, %edx
    jnz 1f
    pushl %ecx
    pushl $0x08
    pushl %eax
    jmp 2f
1:  pushl $0x23
    pushl $user_stack + 4096 - 64
    pushl %ecx
    pushl $0x1b
    pushl %eax
    movl $0x23, %eax
    movw %ax, %ds
    movw %ax, %es
2:  xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %ebp, %ebp
    iretl

# uint32_t attempt_v86(uint16_t segment, uint16_t offset, uint32_t eflags)
attempt_v86:
    pushl %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    pushfl
    movl %esp, attempt_esp
    movl 24(%esp), %eax
    movl 28(%esp), %edx
    movl 32(%esp), %ecx
    orl $0x20002, %ecx
    pushl $0x4444               # gs
    pushl $0x3333               # fs
    pushl $0x2222               # ds
    pushl $0x1111               # es
    pushl %eax                  # ss = cs
    pushl $0xff0                # esp
    pushl %ecx
    pushl %eax
    pushl %edx
    jmp 2b

    .data
    .balign 4
attempt_esp: .long 0
