/* What cpu.c is, in the paravirtual build: descriptor tables, page tables, timer and console by
 * hypercall. */
#include "nano.h"

#ifdef PARAVIRTUAL

uint32_t directory[1024] __attribute__((aligned(PAGE)));
uint32_t low_tables[MAPPED / PAGE] __attribute__((aligned(PAGE)));
volatile struct vmm_hc_shared shared __attribute__((aligned(PAGE)));

static uint64_t gdt[5] __attribute__((aligned(8))) = {
    [KERNEL_CODE >> 3] = 0x00CF9B000000FFFF,
    [KERNEL_DATA >> 3] = 0x00CF93000000FFFF,
    [USER_CODE >> 3] = 0x00CFFB000000FFFF,
    [USER_DATA >> 3] = 0x00CFF3000000FFFF,
};
static uint8_t trap_stack[PAGE] __attribute__((aligned(PAGE)));
static struct vmm_hc_trap traps[16];
static uint32_t trap_count;
static struct vmm_hc_update queue[VMM_HC_BATCH];
static uint32_t queued;

void put_char(char c)
{
    vmm_hypercall(VMM_HC_CONSOLE_WRITE, (uint32_t)&c, 1, 0);
}

void guest_exit(uint32_t code)
{
    vmm_hypercall(VMM_HC_SHUTDOWN, code, 0, 0);
    __builtin_unreachable();
}

void set_gate(uint8_t vector, const char *handler, unsigned ring)
{
    traps[trap_count++] = (struct vmm_hc_trap){vector, (uint8_t)ring, 1, 0, (uint32_t)handler};
    vmm_hypercall(VMM_HC_SET_TRAPS, (uint32_t)traps, trap_count, KERNEL_CODE | KERNEL_DATA << 16);
}

void set_kernel_stack(uint32_t top)
{
    shared.kernel_stack = top;
}

void timer_init(uint32_t divisor)
{
    vmm_hypercall(VMM_HC_SET_TIMER, divisor, 0, 0);
}

/* ---- page tables ---- */

void entries_done(void)
{
    const uint32_t count = queued;
    queued = 0;
    if (count && vmm_hypercall(VMM_HC_MMU, (uint32_t)queue, count, 0))
        guest_exit(2);
}

static void put(uint32_t target, uint32_t value)
{
    if (queued == VMM_HC_BATCH)
        entries_done();
    queue[queued++] = (struct vmm_hc_update){target, value};
}

void set_entry(volatile uint32_t *entry, uint32_t value)
{
    put(to_entry((uint32_t)entry), to_entry(value));
}

void write_cr3(uint32_t value)
{
    put(VMM_HC_SWITCH, to_entry(value));
    entries_done();
}

void invlpg(uint32_t address)
{
    put(VMM_HC_INVALIDATE, address);
    entries_done();
}

static void map_own(const uint32_t *page, uint32_t rights)
{
    set_entry(&low_tables[(uint32_t)page >> 12], (uint32_t)page | rights);
}

void tables_begin(uint32_t *new_directory, uint32_t *table)
{
    map_own(new_directory, P | U);
    map_own(table, P | U);
    put(VMM_HC_PIN_DIRECTORY, to_entry((uint32_t)new_directory));
}

void tables_end(uint32_t *old_directory, uint32_t *table)
{
    put(VMM_HC_UNPIN, to_entry((uint32_t)old_directory));
    map_own(old_directory, P | W | U);
    map_own(table, P | W | U);
    entries_done();
}

static void paging_init(void)
{
    const uint32_t tables = (uint32_t)low_tables >> 12;
    for (uint32_t at = 0; at < MAPPED; at += PAGE)
        low_tables[at / PAGE] = to_entry(at | P | W | U);
    for (uint32_t at = 0; at < MAPPED; at += 1024 * PAGE)
        directory[at >> 22] = to_entry((uint32_t)&low_tables[at / PAGE] | P | W | U);
    for (uint32_t i = 0; i < sizeof low_tables / PAGE; i++)
        low_tables[tables + i] &= ~(uint32_t)W;
    low_tables[(uint32_t)directory >> 12] &= ~(uint32_t)W;
    write_cr3((uint32_t)directory);
    put(VMM_HC_PIN_DIRECTORY, to_entry((uint32_t)directory));
    entries_done();
}

void cpu_init(void)
{
    vmm_hypercall(VMM_HC_ATTACH, (uint32_t)&shared, 0, 0);
    vmm_hypercall(VMM_HC_SET_GDT, (uint32_t)gdt, sizeof gdt / sizeof gdt[0], 0);
    asm volatile("ljmp %0, $1f\n"
                 "1:\tmovw %w1, %%ds\n\tmovw %w1, %%es\n\tmovw %w2, %%ss\n\t"
                 "movw %w3, %%fs\n\tmovw %w3, %%gs" ::"i"(KERNEL_CODE),
                 "r"(KERNEL_DATA), "r"(KERNEL_DATA | 1), "r"(0)
                 : "memory");
    set_kernel_stack((uint32_t)trap_stack + sizeof trap_stack);
    set_gate(0x81, leave_user, 3);
    paging_init();
}

#endif
