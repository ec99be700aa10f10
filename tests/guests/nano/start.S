# From the loader to main, and everything that has to be in assembly: the handlers of the events,
# as short as a handler can be, the way to ring 3 and back, and the switch between two stacks.
# (Not ../lib/start.S and vectors.S: those use PUSHF and POPF.)
#ifdef PARAVIRTUAL
#include <vmm/hypercall.h>
#endif

    .set KERNEL_DATA, 0x10
    .set USER_CODE, 0x1b
    .set USER_DATA, 0x23

# The way back from a handler: a hypercall takes EAX from the stack, too.
    .macro interrupt_return
#ifdef PARAVIRTUAL
    pushl %eax
    movl $VMM_HC_IRET, %eax
    int $VMM_HC_VECTOR
#else
    iretl
#endif
    .endm

    .section .multiboot, "a"
    .balign 4
    .long 0x1BADB002, 0x3, -(0x1BADB002 + 0x3)

    .section .text.start, "ax"
    .globl _start
_start:
#ifndef PARAVIRTUAL
    cli
#endif
    cld
    movl $stack_top, %esp
    xorl %ebp, %ebp
    pushl %ebx
    pushl %eax
    call main
    pushl %eax
    call guest_exit

    .text
# void enter_user(const char *code)
    .globl enter_user, leave_user
enter_user:
    pushl %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    movl %esp, kernel_esp
    movl 20(%esp), %eax
    pushl $USER_DATA
    pushl $user_stack_top
    pushl $2
    pushl $USER_CODE
    pushl %eax
    movl $USER_DATA, %eax
    movw %ax, %ds
    movw %ax, %es
    interrupt_return
leave_user:
    movl $KERNEL_DATA, %eax
    movw %ax, %ds
    movw %ax, %es
    movl kernel_esp, %esp
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    ret

# Handlers. All data segments are flat, so that they need not be loaded.
    .globl on_system_call, on_divide, on_absent, on_copy, on_tick
on_system_call:
    incl events
    interrupt_return
on_divide:                      # steps over the two bytes of DIVL
    incl events
    addl $2, (%esp)
    interrupt_return
on_absent:                      # steps over the two bytes of MOVB
    incl events
    addl $4, %esp
    addl $2, (%esp)
    interrupt_return
on_copy:
    pushal
    call copy_page
    popal
    addl $4, %esp
    interrupt_return
on_tick:
    pushl %eax
    incl ticks
#ifndef PARAVIRTUAL
    movb $0x20, %al
    outb %al, $0x20
#endif
    popl %eax
    interrupt_return

    .globl user_system_calls
user_system_calls:
1:  int $0x80
    decl rounds
    jnz 1b
    int $0x81

# void switch_stack(uint32_t *old_esp, uint32_t new_esp)
    .globl switch_stack
switch_stack:
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

    .bss
    .balign 16
    .space 16384
stack_top:
    .space 4096
user_stack_top:
    .globl events, ticks, rounds
events: .space 4
ticks:  .space 4
rounds: .space 4
kernel_esp: .space 4
