/* What the builds of this kernel differ in. As in ../kernel, the virtualizable build
 * (-DVIRTUALIZABLE) avoids the instructions that are sensitive but not privileged (Robin and Irvine
 * 2000): it keeps the interrupt flag's value in a variable instead of asking PUSHF. */
#ifndef ARCH_H
#define ARCH_H

#include "guest.h"

#define KERNEL_CODE  0x08
#define KERNEL_DATA  0x10
#define USER_CODE    0x1b
#define USER_DATA    0x23
#define TSS_SELECTOR 0x28

#ifdef VIRTUALIZABLE

extern volatile uint32_t interrupts_on;

static inline uint32_t irq_save(void)
{
    uint32_t was = interrupts_on;
    asm volatile("cli" ::: "memory");
    interrupts_on = 0;
    return was;
}

static inline void irq_restore(uint32_t was)
{
    interrupts_on = was;
    if (was)
        asm volatile("sti" ::: "memory");
}

#else

static inline uint32_t irq_save(void)
{
    uint32_t eflags;
    asm volatile("pushfl; popl %0; cli" : "=r"(eflags)::"memory");
    return eflags;
}

static inline void irq_restore(uint32_t eflags)
{
    asm volatile("pushl %0; popfl" ::"r"(eflags) : "memory", "cc");
}

#endif

/* Wakes behind the next interrupt, with interrupts off again. */
static inline void irq_wait(void)
{
    asm volatile("sti; hlt; cli" ::: "memory");
}

static inline void set_entry(volatile uint32_t *entry, uint32_t value)
{
    *entry = value;
}

static inline void write_cr3(uint32_t value)
{
    asm volatile("movl %0, %%cr3" ::"r"(value) : "memory");
}

static inline void invlpg(uint32_t address)
{
    asm volatile("invlpg (%0)" ::"r"(address) : "memory");
}

static inline uint32_t read_cr2(void)
{
    uint32_t value;
    asm volatile("movl %%cr2, %0" : "=r"(value));
    return value;
}

#endif
