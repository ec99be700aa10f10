# Into the kernel and out of it: a stub for every vector, the one way back, the switch between two
# kernel stacks, and the copy that may fault.
#include "arch.h"

    .text
# Each stub leaves the same frame: where the processor pushes no error code, a 0 stands for it.
    .macro stub vector
    .balign 16
stub_\vector:
    .if (\vector == 8) || ((\vector >= 10) && (\vector <= 14)) || (\vector == 17)
    .else
    pushl $0
    .endif
    pushl $\vector
    jmp entry
    .endm

    .altmacro
    .set i, 0
    .rept 49
    stub %i
    .set i, i + 1
    .endr
    stub 128

    .balign 16
entry:
    pushal
    save_segments
    cld
    movl $KERNEL_DATA, %eax
    movw %ax, %ds
    movw %ax, %es
    pushl %esp
    call trap
    addl $4, %esp

# A new process starts here too, on a frame that its parent made.
    .globl trap_return
trap_return:
    restore_segments
    popal
    addl $8, %esp               # vector, error
#ifdef PARAVIRTUAL
    jmp leave_kernel
#else
    iretl
#endif

# void switch_context(uint32_t *old_esp, uint32_t new_esp): the caller's caller-saved registers are
# its own affair; the others go on the old stack and come from the new one.
    .globl switch_context
switch_context:
    movl 4(%esp), %eax
    movl 8(%esp), %edx
    pushl %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    movl %esp, (%eax)
    movl %edx, %esp
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    ret

# int32_t copy_user(void *to, const void *from, uint32_t count): a fault between start and end that
# cannot be resolved continues at copy_user_failed (trap.c).
    .globl copy_user, copy_user_start, copy_user_end, copy_user_failed
copy_user:
    pushl %esi
    pushl %edi
    movl 12(%esp), %edi
    movl 16(%esp), %esi
    movl 20(%esp), %ecx
copy_user_start:
    rep movsb
copy_user_end:
    xorl %eax, %eax
    popl %edi
    popl %esi
    ret
copy_user_failed:
    movl $-1, %eax
    popl %edi
    popl %esi
    ret

    .section .rodata
    .balign 4
    .globl trap_stubs
    .macro address vector
    .long stub_\vector
    .endm
trap_stubs:
    .set i, 0
    .rept 49
    address %i
    .set i, i + 1
    .endr
    address 128
