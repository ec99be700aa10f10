/* Operations that are one event of the processor each. */
#include "nano.h"

static uint32_t system_calls(uint32_t n)
{
    set_gate(0x80, on_system_call, 3);
    rounds = n;
    enter_user(user_system_calls);
    return events;
}

#ifndef PARAVIRTUAL

/* Ports and control registers are not a paravirtual kernel's. */

static uint32_t port_in(uint32_t n)
{
    uint32_t sum = 0;
    while (n--)
        sum += inb(0x80);
    return sum;
}

/* TS: a bit that no VMM needs for itself, as the paper's CR8 */
static uint32_t control_write(uint32_t n)
{
    uint32_t cr0, toggled = 0;
    asm volatile("movl %%cr0, %0" : "=r"(cr0));
    while (n--) {
        toggled ^= 8;
        asm volatile("movl %0, %%cr0" ::"r"(cr0 ^ toggled) : "memory");
    }
    return toggled;
}

#endif

static uint32_t call_return(uint32_t n)
{
    asm volatile("jmp 2f\n"
                 ".p2align 4\n"
                 "1: ret\n"
                 ".p2align 4\n"
                 "2: call 1b; decl %0; jnz 2b"
                 : "+r"(n)::"cc", "memory");
    return n;
}

static uint32_t page_faults(uint32_t n)
{
    set_gate(14, on_absent, 0);
    asm volatile("1: movb (%1), %%al; decl %0; jnz 1b" : "+r"(n) : "b"(USER) : "eax", "cc");
    return events;
}

static uint32_t divide_errors(uint32_t n)
{
    set_gate(0, on_divide, 0);
    asm volatile("1: divl %1; decl %0; jnz 1b" : "+r"(n) : "r"(0), "a"(1), "d"(0) : "cc");
    return events;
}

static uint32_t timer_ticks(uint32_t n)
{
    set_gate(0x20, on_tick, 0);
    timer_init(100);
    while (ticks < n)
        irq_wait();
    return ticks;
}

#ifdef PARAVIRTUAL

static uint32_t hypercalls(uint32_t n)
{
    uint32_t sum = 0;
    while (n--)
        sum += (uint32_t)vmm_hypercall(VMM_HC_EVENTS, 0, 0, 0);
    return sum;
}

#else

/* The question that every VMM has to answer itself: CPUID. */
static uint32_t hypercalls(uint32_t n)
{
    uint32_t sum = 0;
    while (n--) {
        uint32_t eax = 0, ebx, ecx, edx;
        asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
        sum += ebx;
    }
    return sum;
}

#endif

static uint32_t flag_saves(uint32_t n)
{
    while (n--)
        irq_restore(irq_save());
    return 0;
}

const struct operation event_operations[] = {
    {"syscall", "INT 0x80 from ring 3, and IRET", system_calls},
#ifndef PARAVIRTUAL
    {"in", "IN from port 0x80", port_in},
    {"crwrite", "MOV to CR0, TS toggled", control_write},
#endif
    {"callret", "near CALL and RET", call_return},
    {"pgfault", "page fault of the kernel, and IRET", page_faults},
    {"divzero", "divide error of the kernel, and IRET", divide_errors},
    {"tick", "HLT, timer interrupt, end of interrupt, IRET", timer_ticks},
    {"hypercall", "the plainest call of the VMM", hypercalls},
    {"flags", "interrupt flag saved, cleared, restored", flag_saves},
    {NULL, NULL, NULL},
};
