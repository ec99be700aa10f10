/* Lab 8: what the kernel asked of the machine, asked of the VMM. README.md has the steps, glue.h
 * what each function is for, <vmm/hypercall.h> the hypercalls. kernel/ has the rest of the kernel
 * to read; kernel/arch.h what these functions are on the bare machine. */
#include "glue.h"

volatile struct vmm_hc_shared shared __attribute__((aligned(PAGE_SIZE)));

/* Ends the run. Delete it when nobody calls it any more. */
static void not_written(const char *what)
{
    char text[64] = "glue: ";
    uint32_t length = 6;
    while (*what && length < 40)
        text[length++] = *what++;
    for (const char *rest = " is not written yet\n"; *rest; rest++)
        text[length++] = *rest;
    vmm_hypercall(VMM_HC_CONSOLE_WRITE, (uint32_t)text, length, 0);
    vmm_hypercall(VMM_HC_SHUTDOWN, 98, 0, 0);
}

/* ---- there is somebody to ask ---- */

void arch_begin(void)
{
    not_written("arch_begin");
}

/* ---- the interrupt flag ---- */

void irq_disable(void)
{
    not_written("irq_disable");
}

void irq_enable(void)
{
    not_written("irq_enable");
}

uint32_t irq_save(void)
{
    not_written("irq_save");
    return 0;
}

void irq_restore(uint32_t was)
{
    (void)was;
    not_written("irq_restore");
}

void irq_wait(void)
{
    not_written("irq_wait");
}

/* ---- the console, and the end ---- */

void put_chars(const char *bytes, size_t count)
{
    (void)bytes;
    (void)count;
    not_written("put_chars");
}

bool received(char *c)
{
    (void)c;
    not_written("received");
    return false;
}

void power_off(uint32_t code)
{
    (void)code;
    not_written("power_off");
}

/* ---- traps, and the way out ---- */

void tables_init(void)
{
    not_written("tables_init");
}

void set_kernel_stack(uint32_t top)
{
    (void)top;
    not_written("set_kernel_stack");
}

uint32_t read_cr2(void)
{
    not_written("read_cr2");
    return 0;
}

void timer_init(uint32_t hz)
{
    (void)hz;
    not_written("timer_init");
}

void no_way_out(void);
void no_way_out(void)
{
    not_written("leave_kernel");
}

asm("	.text\n"
    "	.globl leave_kernel\n"
    "leave_kernel:\n"
    "	call no_way_out\n");

/* ---- machine addresses ---- */

void map_memory(uint32_t *directory, uint32_t bytes)
{
    (void)directory;
    (void)bytes;
    not_written("map_memory");
}

uint32_t entry_get(const uint32_t *entry)
{
    (void)entry;
    not_written("entry_get");
    return 0;
}

/* ---- changes of page tables ---- */

void entry_set(uint32_t *entry, uint32_t value)
{
    (void)entry;
    (void)value;
    not_written("entry_set");
}

void entries_done(void)
{
    not_written("entries_done");
}

void write_cr3(uint32_t directory)
{
    (void)directory;
    not_written("write_cr3");
}

void invlpg(uint32_t address)
{
    (void)address;
    not_written("invlpg");
}

/* ---- tables ---- */

void table_begin(uint32_t frame)
{
    (void)frame;
    not_written("table_begin");
}

void table_end(uint32_t frame)
{
    (void)frame;
    not_written("table_end");
}

void directory_begin(uint32_t frame)
{
    (void)frame;
    not_written("directory_begin");
}

void directory_end(uint32_t frame)
{
    (void)frame;
    not_written("directory_end");
}
