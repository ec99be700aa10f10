/* Descriptor tables, the two 8259As, the 8254, and what to do about each vector. All gates are
 * interrupt gates: the kernel is entered with interrupts off, and turns them on for system calls.
 * It is never preempted itself: a time slice that ends while it runs takes effect on its way out.
 */
#include "kernel.h"

enum { VECTORS = 256, INTERRUPT_GATE = 0x8E, USER_GATE = 0xEE, PAGE_FAULT = 14 };
enum { IRQ_TIMER, IRQ_KEYBOARD, IRQ_CASCADE, IRQ_SERIAL = 4 };

uint64_t gdt[6] __attribute__((aligned(8))) = {
    [KERNEL_CODE >> 3] = 0x00CF9B000000FFFF,
    [KERNEL_DATA >> 3] = 0x00CF93000000FFFF,
    [USER_CODE >> 3] = 0x00CFFB000000FFFF,
    [USER_DATA >> 3] = 0x00CFF3000000FFFF,
};
volatile uint32_t ticks;

#ifdef PARAVIRTUAL

void arch_describe(void)
{
    print("arch: paravirtual build, what is privileged is asked of the VMM\n");
}

void trap_init(uint32_t hz)
{
    tables_init();
    timer_init(hz);
}

static void end_of_interrupt(void)
{
}

#else

struct table_pointer {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

static uint64_t idt[VECTORS] __attribute__((aligned(8)));

/* Only the ring 0 stack is used; I/O from ring 3 is never allowed. */
static struct {
    uint32_t link, esp0, ss0, unused[22];
    uint16_t trap, io_map;
} tss = {.ss0 = KERNEL_DATA, .io_map = sizeof tss};

#ifdef VIRTUALIZABLE

volatile bool interrupts_on;

void arch_describe(void)
{
    print("arch: virtualizable build, no sensitive unprivileged instruction is used\n");
}

#else

void arch_describe(void)
{
    struct table_pointer g, i;
    uint16_t ldt, task, msw, cs, ss;
    uint32_t rights = 0, limit = 0;
    asm volatile("sgdt %0; sidt %1; sldt %2; str %3; smsw %4; movw %%cs, %5; movw %%ss, %6"
                 : "=m"(g), "=m"(i), "=m"(ldt), "=m"(task), "=m"(msw), "=m"(cs), "=m"(ss));
    asm volatile("larl %1, %0" : "=r"(rights) : "r"(USER_DATA) : "cc");
    asm volatile("lsll %1, %0" : "=r"(limit) : "r"(USER_DATA) : "cc");
    print("arch: gdt limit %u idt limit %u tr %02x ldt %02x cs %02x ss %02x PE %u, "
          "tables where loaded: %s\n",
          g.limit, i.limit, task, ldt, cs, ss, msw & 1u,
          g.base == (uint32_t)gdt && i.base == (uint32_t)idt ? "yes" : "no");
    print("arch: user data segment rights %02x limit %08x\n", rights >> 8 & 0xFF, limit);
}

#endif

static uint64_t gate(uint32_t stub, uint8_t access)
{
    return (stub & 0xFFFF) | (uint64_t)KERNEL_CODE << 16 | (uint64_t)access << 40 |
           (uint64_t)(stub >> 16) << 48;
}

static void tables_init(void)
{
    const uint32_t base = (uint32_t)&tss;
    gdt[TSS_SELECTOR >> 3] = (sizeof tss - 1) | (uint64_t)(base & 0xFFFFFF) << 16 |
                             (uint64_t)0x89 << 40 | (uint64_t)(base >> 24) << 56;
    for (unsigned vector = 0; vector <= 48; vector++)
        idt[vector] = gate(trap_stubs[vector], INTERRUPT_GATE);
    idt[3] = gate(trap_stubs[3], USER_GATE);
    idt[SYSCALL_VECTOR] = gate(trap_stubs[49], USER_GATE);

    struct table_pointer pointer = {sizeof gdt - 1, (uint32_t)gdt};
    asm volatile("lgdt %0\n\tljmp %1, $1f\n"
                 "1:\tmovw %w2, %%ds\n\tmovw %w2, %%es\n\tmovw %w2, %%ss\n\t"
                 "movw %w3, %%fs\n\tmovw %w3, %%gs" ::"m"(pointer),
                 "i"(KERNEL_CODE), "r"(KERNEL_DATA), "r"(0)
                 : "memory");
    pointer = (struct table_pointer){sizeof idt - 1, (uint32_t)idt};
    asm volatile("lidt %0" ::"m"(pointer));
    asm volatile("lldt %w0" ::"r"(0));
    asm volatile("ltr %w0" ::"r"(TSS_SELECTOR));
}

/* Initialisation command words 1 to 4 (8259A data sheet): edge-triggered, cascade on line 2. */
static void pic_init(void)
{
    static const struct {
        uint8_t port, value;
    } words[] = {{0x20, 0x11},
                 {0x21, IRQ_BASE},
                 {0x21, 1 << IRQ_CASCADE},
                 {0x21, 0x01},
                 {0xA0, 0x11},
                 {0xA1, IRQ_BASE + 8},
                 {0xA1, IRQ_CASCADE},
                 {0xA1, 0x01},
                 {0x21, 0xFF & ~(1 << IRQ_TIMER | 1 << IRQ_KEYBOARD | 1 << IRQ_SERIAL)},
                 {0xA1, 0xFF}};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        outb(words[i].port, words[i].value);
}

void trap_init(uint32_t hz)
{
    tables_init();
    pic_init();
    uint32_t divisor = 1193182 / hz;
    outb(0x43, 0x34); /* counter 0, both bytes, mode 2 */
    outb(0x40, (uint8_t)divisor);
    outb(0x40, (uint8_t)(divisor >> 8));
}

void set_kernel_stack(uint32_t top)
{
    tss.esp0 = top;
}

static void end_of_interrupt(void)
{
    outb(0x20, 0x20);
}

#endif

static void interrupt(uint32_t line)
{
    /* Lines 7 and 15 may be spurious: in service only if the 8259A says so. None is unmasked. */
    end_of_interrupt();
    switch (line) {
    case IRQ_TIMER:
        ticks++;
        clock_tick();
        break;
    case IRQ_KEYBOARD: keyboard_interrupt(); break;
    case IRQ_SERIAL: serial_interrupt(); break;
    }
}

static void exception(struct trap_frame *frame)
{
    const bool user = frame->cs & 3;
    const uint32_t address = frame->vector == PAGE_FAULT ? read_cr2() : 0;
    if (frame->vector == PAGE_FAULT && user_range(address, 1) && current) {
        if (vm_fault(&current->space, address, frame->error))
            return;
        if (!user && frame->eip >= (uint32_t)copy_user_start &&
            frame->eip < (uint32_t)copy_user_end) {
            frame->eip = (uint32_t)copy_user_failed;
            return;
        }
    }
    if (!user)
        panic("exception %u error %x at %08x address %08x", frame->vector, frame->error, frame->eip,
              address);
    print("%s: killed by exception %u, error code %x, page %08x\n", current->name, frame->vector,
          frame->error, address & ~(PAGE_SIZE - 1u));
    proc_exit(KILLED + frame->vector);
}

/* Called by entry.S. */
void trap(struct trap_frame *frame);
void trap(struct trap_frame *frame)
{
    irq_entered();
    if (frame->vector == SYSCALL_VECTOR) {
        irq_enable();
        system_call(frame);
        irq_disable();
    } else if (frame->vector >= IRQ_BASE && frame->vector < IRQ_BASE + 16) {
        interrupt(frame->vector - IRQ_BASE);
    } else {
        exception(frame);
    }
    if (frame->cs & 3) {
        if (reschedule)
            schedule();
        if (!user_segment_writable(frame->ds))
            proc_exit(KILLED + 13);
    }
    irq_leaving(frame->eflags);
}
