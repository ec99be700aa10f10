/* The paravirtual build's own: the shared page, the descriptor tables by hypercall, and page tables
 * that hold machine addresses. Updates are gathered and handed over together, at the latest where
 * their effect counts; a table is read-only for ourselves as long as it is one. */
#include "kernel.h"

#ifdef PARAVIRTUAL

enum { P = 1, W = 2, U = 4, QUEUE = 256 };

volatile struct vmm_hc_shared shared __attribute__((aligned(PAGE_SIZE), section(".bss.page")));

static struct vmm_hc_update queue[QUEUE];
static uint32_t queued;
static uint32_t *kernel_tables[USER_BASE >> 22]; /* what maps the memory one to one */

/* ---- beginning ---- */

static void outb(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

/* On a machine without the VMM ports are all that there is to say so. */
static void wrong_machine(void)
{
    static const char text[] =
        "kernel: this is the paravirtual build, and runs under the technique "
        "para alone\n";
    for (const char *c = text; *c; c++)
        outb(0xE9, (uint8_t)*c);
    asm volatile("outl %0, %1" ::"a"(98), "Nd"((uint16_t)0xF4));
    for (;;)
        asm volatile("cli; hlt");
}

void arch_begin(void)
{
    uint32_t leaf = VMM_HC_LEAF, ebx, ecx, edx;
    asm volatile("cpuid" : "+a"(leaf), "=b"(ebx), "=c"(ecx), "=d"(edx));
    if (ebx != VMM_HC_EBX || ecx != VMM_HC_ECX || edx != VMM_HC_EDX ||
        vmm_hypercall(VMM_HC_ATTACH, (uint32_t)&shared, 0, 0) != VMM_HC_VERSION)
        wrong_machine();
}

/* ---- the console: the VMM takes what is written at once ---- */

void put_chars(const char *bytes, size_t count)
{
    vmm_hypercall(VMM_HC_CONSOLE_WRITE, (uint32_t)bytes, count, 0);
}

bool received(char *c)
{
    return vmm_hypercall(VMM_HC_CONSOLE_READ, (uint32_t)c, 1, 0) == 1;
}

/* ---- traps and the timer ---- */

void tables_init(void)
{
    static struct vmm_hc_trap traps[50];
    for (unsigned vector = 0; vector <= 48; vector++)
        traps[vector] = (struct vmm_hc_trap){(uint8_t)vector, 0, 1, 0, trap_stubs[vector]};
    traps[3].ring = 3;
    traps[49] = (struct vmm_hc_trap){SYSCALL_VECTOR, 3, 1, 0, trap_stubs[49]};
    vmm_hypercall(VMM_HC_SET_GDT, (uint32_t)gdt, sizeof gdt / sizeof gdt[0], 0);
    /* The stack segment has to say that we are at ring 1. */
    asm volatile("ljmp %0, $1f\n"
                 "1:\tmovw %w1, %%ds\n\tmovw %w1, %%es\n\tmovw %w2, %%ss\n\t"
                 "movw %w3, %%fs\n\tmovw %w3, %%gs" ::"i"(KERNEL_CODE),
                 "r"(KERNEL_DATA), "r"(KERNEL_DATA | 1), "r"(0)
                 : "memory");
    vmm_hypercall(VMM_HC_SET_TRAPS, (uint32_t)traps, 50, KERNEL_CODE | KERNEL_DATA << 16);
}

void timer_init(uint32_t hz)
{
    vmm_hypercall(VMM_HC_SET_TIMER, 1193182 / hz, 0, 0);
}

void set_kernel_stack(uint32_t top)
{
    shared.kernel_stack = top;
}

asm(".text\n"
    ".globl leave_kernel\n"
    "leave_kernel:\n\t"
    "pushl %eax\n\t"
    "movl $6, %eax\n\t" /* VMM_HC_IRET */
    "int $0x82");

/* ---- batches ---- */

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

/* Our own mapping of a frame. */
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
    entries_done(); /* the frame may have another use at once */
}

/* All memory one to one, writable but for these tables themselves. Nobody uses them yet, so they
 * are written as they are. */
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

#endif
