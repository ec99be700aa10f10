/* The kernel's half of a paravirtual machine: what arch.h has instructions for, asked of the VMM by
 * hypercalls (vmm/hypercall.h) or agreed on in the page that both share. */
#ifndef PARAVIRTUAL_H
#define PARAVIRTUAL_H

#include <vmm/hypercall.h>

extern volatile struct vmm_hc_shared shared;

extern uint64_t gdt[6];
extern uint32_t trap_stubs[];

/* Makes sure that there is a VMM to ask; ends the run with a sentence if not. */
void arch_begin(void);

void tables_init(void);
void timer_init(uint32_t hz);
void set_kernel_stack(uint32_t top);
/* Jumped to by entry.S, with the stack as IRET wants it. */
void leave_kernel(void);

void put_chars(const char *bytes, size_t count);
bool received(char *c);

/* ---- the interrupt flag is a word in memory ---- */

static inline void irq_disable(void)
{
    shared.events_on = 0;
}

/* What has come in between waits for us to say so. */
static inline void irq_enable(void)
{
    shared.events_on = 1;
    if (shared.event_waits)
        vmm_hypercall(VMM_HC_EVENTS, 0, 0, 0);
}

static inline uint32_t irq_save(void)
{
    uint32_t was = shared.events_on;
    irq_disable();
    return was;
}

static inline void irq_restore(uint32_t was)
{
    if (was)
        irq_enable();
}

static inline void irq_entered(void)
{
}

static inline void irq_leaving(uint32_t frame_eflags)
{
    (void)frame_eflags;
}

static inline void irq_wait(void)
{
    vmm_hypercall(VMM_HC_YIELD, 0, 0, 0);
    irq_disable();
}

/* ---- segments, faults ---- */

static inline bool user_segment_writable(uint32_t selector)
{
    return selector == USER_DATA;
}

static inline uint32_t read_cr2(void)
{
    return shared.fault_address;
}

/* ---- page tables: they hold machine addresses, and are written in batches ---- */

void entry_set(uint32_t *entry, uint32_t value);
void entries_done(void);
void table_begin(uint32_t frame);
void table_end(uint32_t frame);
void directory_begin(uint32_t frame);
void directory_end(uint32_t frame);
void write_cr3(uint32_t directory);
void invlpg(uint32_t address);

static inline uint32_t to_machine(uint32_t physical)
{
    return ((const uint32_t *)VMM_HC_P2M)[physical >> 12] | (physical & 0xFFF);
}

static inline uint32_t entry_get(const uint32_t *entry)
{
    const uint32_t value = *(const volatile uint32_t *)entry;
    return value & 1 ? ((const uint32_t *)VMM_HC_M2P)[value >> 12] | (value & 0xFFF) : value;
}

static inline void power_off(uint32_t code)
{
    vmm_hypercall(VMM_HC_SHUTDOWN, code, 0, 0);
}

#endif
