/* What the builds of this kernel differ in. As in ../kernel, the virtualizable build
 * (-DVIRTUALIZABLE) avoids the instructions that are sensitive but not privileged (Robin and Irvine
 * 2000): it keeps the interrupt flag's value in a variable instead of asking PUSHF. The paravirtual
 * one (-DPARAVIRTUAL) asks the VMM (vmm/hypercall.h), and has page tables with machine addresses:
 * para.c. */
#ifndef ARCH_H
#define ARCH_H

#include "guest.h"

#define KERNEL_CODE  0x08
#define KERNEL_DATA  0x10
#define USER_CODE    0x1b
#define USER_DATA    0x23
#define TSS_SELECTOR 0x28

#ifdef PARAVIRTUAL

#include <vmm/hypercall.h>

extern volatile struct vmm_hc_shared shared;

static inline uint32_t irq_save(void)
{
    uint32_t was = shared.events_on;
    shared.events_on = 0;
    return was;
}

static inline void irq_restore(uint32_t was)
{
    shared.events_on = was;
    if (was && shared.event_waits)
        vmm_hypercall(VMM_HC_EVENTS, 0, 0, 0);
}

static inline void irq_wait(void)
{
    vmm_hypercall(VMM_HC_YIELD, 0, 0, 0);
    shared.events_on = 0;
}

static inline uint32_t read_cr2(void)
{
    return shared.fault_address;
}

/* Updates wait for entries_done, write_cr3 or invlpg. */
void set_entry(volatile uint32_t *entry, uint32_t value);
void entries_done(void);
void write_cr3(uint32_t value);
void invlpg(uint32_t address);

/* What an entry is to hold; and what it holds. */
static inline uint32_t to_entry(uint32_t value)
{
    return ((const uint32_t *)VMM_HC_P2M)[value >> 12] | (value & 0xFFF);
}

static inline uint32_t from_entry(uint32_t value)
{
    return ((const uint32_t *)VMM_HC_M2P)[value >> 12] | (value & 0xFFF);
}

/* A directory and its one table, written as they are, begin to count; and end. */
void tables_begin(uint32_t *directory, uint32_t *table);
void tables_end(uint32_t *directory, uint32_t *table);

#else

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

static inline void entries_done(void)
{
}

static inline uint32_t to_entry(uint32_t value)
{
    return value;
}

static inline uint32_t from_entry(uint32_t value)
{
    return value;
}

static inline void tables_begin(uint32_t *directory, uint32_t *table)
{
    (void)directory, (void)table;
}

static inline void tables_end(uint32_t *directory, uint32_t *table)
{
    (void)directory, (void)table;
}

static inline uint32_t read_cr2(void)
{
    uint32_t value;
    asm volatile("movl %%cr2, %0" : "=r"(value));
    return value;
}

#endif
#endif
