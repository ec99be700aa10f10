/* Lab 8, the reference: what the kernel asked of the machine, asked of the VMM. Changes of page
 * tables are gathered in a queue, and handed over together where their effect counts, or when the
 * queue is full. A page table is read-only for the kernel as long as it is one. */
#include "glue.h"

enum { P = 1, W = 2, VECTORS = 49, QUEUE = 512, MOST = 65536, HERTZ = 1193182 };

volatile struct vmm_hc_shared shared __attribute__((aligned(PAGE_SIZE)));

/* ---- there is somebody to ask ---- */

void arch_begin(void)
{
    if (vmm_hypercall(VMM_HC_ATTACH, (uint32_t)&shared, 0, 0) != VMM_HC_VERSION)
        panic("the VMM speaks another version");
}

void put_chars(const char *bytes, size_t count)
{
    while (count > 0) {
        const uint32_t part = count < MOST ? count : MOST;
        const int32_t done = vmm_hypercall(VMM_HC_CONSOLE_WRITE, (uint32_t)bytes, part, 0);
        if (done <= 0)
            return;
        bytes += done;
        count -= (uint32_t)done;
    }
}

bool received(char *c)
{
    return vmm_hypercall(VMM_HC_CONSOLE_READ, (uint32_t)c, 1, 0) == 1;
}

void power_off(uint32_t code)
{
    vmm_hypercall(VMM_HC_SHUTDOWN, code, 0, 0);
}

/* ---- traps, and the way out ---- */

static struct vmm_hc_trap traps[VECTORS + 1];

void tables_init(void)
{
    for (unsigned i = 0; i < VECTORS; i++)
        traps[i] = (struct vmm_hc_trap){.vector = (uint8_t)i, .mask = 1, .handler = trap_stubs[i]};
    traps[VECTORS] = (struct vmm_hc_trap){
        .vector = SYSCALL_VECTOR, .ring = 3, .mask = 1, .handler = trap_stubs[VECTORS]};
    traps[3].ring = 3;
    vmm_hypercall(VMM_HC_SET_GDT, (uint32_t)gdt, sizeof gdt / sizeof gdt[0], 0);
    /* SS has the RPL of the ring that the kernel really runs at. */
    asm volatile("ljmp %0, $1f\n"
                 "1:\tmovw %w1, %%ds\n\tmovw %w1, %%es\n\tmovw %w2, %%ss\n\t"
                 "movw %w3, %%fs\n\tmovw %w3, %%gs" ::"i"(KERNEL_CODE),
                 "r"(KERNEL_DATA), "r"(KERNEL_DATA | 1), "r"(0)
                 : "memory");
    vmm_hypercall(VMM_HC_SET_TRAPS, (uint32_t)traps, VECTORS + 1, KERNEL_CODE | KERNEL_DATA << 16);
}

void set_kernel_stack(uint32_t top)
{
    shared.kernel_stack = top;
}

asm("	.text\n"
    "	.globl leave_kernel\n"
    "leave_kernel:\n"
    "	pushl %eax\n"
    "	movl $6, %eax\n" /* VMM_HC_IRET */
    "	int $0x82\n");

uint32_t read_cr2(void)
{
    return shared.fault_address;
}

/* ---- time, and a word for the interrupt flag ---- */

void timer_init(uint32_t hz)
{
    vmm_hypercall(VMM_HC_SET_TIMER, HERTZ / hz, 0, 0);
}

void irq_disable(void)
{
    shared.events_on = 0;
}

/* One that comes between the two lines is let through at once; one that came before has to be asked
 * for. The other order would lose one. */
void irq_enable(void)
{
    shared.events_on = 1;
    if (shared.event_waits)
        vmm_hypercall(VMM_HC_EVENTS, 0, 0, 0);
}

uint32_t irq_save(void)
{
    const uint32_t was = shared.events_on;
    irq_disable();
    return was;
}

void irq_restore(uint32_t was)
{
    if (was)
        irq_enable();
}

/* Unmasking and waiting is one step: an event between two of ours would not wake us. */
void irq_wait(void)
{
    vmm_hypercall(VMM_HC_YIELD, 0, 0, 0);
    irq_disable();
}

/* ---- machine addresses ---- */

static uint32_t *kernel_tables[USER_BASE >> 22]; /* what maps the memory one to one */

static uint32_t to_machine(uint32_t physical)
{
    return ((const uint32_t *)VMM_HC_P2M)[physical >> 12] | (physical & 0xFFF);
}

uint32_t entry_get(const uint32_t *entry)
{
    const uint32_t value = *(const volatile uint32_t *)entry;
    return value & P ? ((const uint32_t *)VMM_HC_M2P)[value >> 12] | (value & 0xFFF) : value;
}

/* ---- updates, in batches ---- */

static struct vmm_hc_update queue[QUEUE];
static uint32_t queued;

void entries_done(void)
{
    const uint32_t count = queued;
    queued = 0;
    if (!count)
        return;
    const int32_t error = vmm_hypercall(VMM_HC_MMU, (uint32_t)queue, count, 0);
    if (error)
        panic("page tables: error %d", error);
}

static void put(uint32_t target, uint32_t value)
{
    if (queued == QUEUE)
        entries_done();
    queue[queued++] = (struct vmm_hc_update){target, value};
}

void entry_set(uint32_t *entry, uint32_t value)
{
    put(to_machine((uint32_t)entry), value & P ? to_machine(value) : value);
}

void write_cr3(uint32_t directory)
{
    put(VMM_HC_SWITCH, to_machine(directory));
    entries_done();
}

void invlpg(uint32_t address)
{
    put(VMM_HC_INVALIDATE, address);
    entries_done();
}

/* ---- tables ---- */

static void map_own(uint32_t frame, uint32_t rights)
{
    entry_set(&kernel_tables[frame >> 22][frame >> 12 & 0x3FF], frame | rights);
}

void table_begin(uint32_t frame)
{
    map_own(frame, P);
}

void table_end(uint32_t frame)
{
    map_own(frame, P | W);
}

void directory_begin(uint32_t frame)
{
    map_own(frame, P);
    put(VMM_HC_PIN_DIRECTORY, to_machine(frame));
}

void directory_end(uint32_t frame)
{
    put(VMM_HC_UNPIN, to_machine(frame));
    map_own(frame, P | W);
    entries_done();
}

/* Nobody uses these tables yet, so they are written as they are, and are read-only from the start.
 */
void map_memory(uint32_t *directory, uint32_t bytes)
{
    for (uint32_t at = 0; at < bytes; at += 0x400000) {
        uint32_t *table = (uint32_t *)frame_alloc();
        kernel_tables[at >> 22] = table;
        directory[at >> 22] = to_machine((uint32_t)table) | P | W;
        for (uint32_t page = 0; page < 1024 && at + page * PAGE_SIZE < bytes; page++)
            table[page] = to_machine(at + page * PAGE_SIZE) | P | W;
    }
    for (uint32_t at = 0; at < bytes; at += 0x400000) {
        const uint32_t table = (uint32_t)kernel_tables[at >> 22];
        kernel_tables[table >> 22][table >> 12 & 0x3FF] &= ~(uint32_t)W;
    }
    const uint32_t self = (uint32_t)directory;
    kernel_tables[self >> 22][self >> 12 & 0x3FF] &= ~(uint32_t)W;
    write_cr3(self);
    put(VMM_HC_PIN_DIRECTORY, to_machine(self));
    entries_done();
}
