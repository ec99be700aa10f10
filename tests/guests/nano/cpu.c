/* The processor and the board as this kernel sets them up, but for the paravirtual build (para.c):
 * flat segments, one TSS, paging by 4 KB pages, the 8259As with the timer's line alone. */
#include "nano.h"

#ifndef PARAVIRTUAL

uint32_t directory[1024] __attribute__((aligned(PAGE)));
uint32_t low_tables[MAPPED / PAGE] __attribute__((aligned(PAGE)));

static uint64_t gdt[6] __attribute__((aligned(8))) = {
    [KERNEL_CODE >> 3] = 0x00CF9B000000FFFF,
    [KERNEL_DATA >> 3] = 0x00CF93000000FFFF,
    [USER_CODE >> 3] = 0x00CFFB000000FFFF,
    [USER_DATA >> 3] = 0x00CFF3000000FFFF,
};
static uint8_t trap_stack[PAGE] __attribute__((aligned(PAGE)));
static uint64_t idt[256] __attribute__((aligned(8)));
static struct {
    uint32_t link, esp0, ss0, unused[22];
    uint16_t trap, io_map;
} tss = {.ss0 = KERNEL_DATA, .io_map = sizeof tss};

#ifdef VIRTUALIZABLE
volatile uint32_t interrupts_on;
#endif

struct table_pointer {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

void set_gate(uint8_t vector, const char *handler, unsigned ring)
{
    uint32_t offset = (uint32_t)handler;
    idt[vector] = (offset & 0xFFFF) | (uint64_t)KERNEL_CODE << 16 |
                  (uint64_t)(0x8E | ring << 5) << 40 | (uint64_t)(offset >> 16) << 48;
}

void set_kernel_stack(uint32_t top)
{
    tss.esp0 = top;
}

static void tables_init(void)
{
    const uint32_t base = (uint32_t)&tss;
    struct table_pointer pointer = {sizeof gdt - 1, (uint32_t)gdt};
    gdt[TSS_SELECTOR >> 3] = (sizeof tss - 1) | (uint64_t)(base & 0xFFFFFF) << 16 |
                             (uint64_t)0x89 << 40 | (uint64_t)(base >> 24) << 56;
    asm volatile("lgdt %0\n\tljmp %1, $1f\n"
                 "1:\tmovw %w2, %%ds\n\tmovw %w2, %%es\n\tmovw %w2, %%ss\n\t"
                 "movw %w3, %%fs\n\tmovw %w3, %%gs" ::"m"(pointer),
                 "i"(KERNEL_CODE), "r"(KERNEL_DATA), "r"(0)
                 : "memory");
    pointer = (struct table_pointer){sizeof idt - 1, (uint32_t)idt};
    asm volatile("lidt %0" ::"m"(pointer));
    asm volatile("lldt %w0" ::"r"(0));
    asm volatile("ltr %w0" ::"r"(TSS_SELECTOR));
    set_kernel_stack((uint32_t)trap_stack + sizeof trap_stack);
    set_gate(0x81, leave_user, 3);
}

/* The first 16 MB one to one. User code is in the kernel's image, so all of it is open to it. */
static void paging_init(void)
{
    for (uint32_t at = 0; at < MAPPED; at += PAGE)
        low_tables[at / PAGE] = at | P | W | U;
    for (uint32_t at = 0; at < MAPPED; at += 1024 * PAGE)
        directory[at >> 22] = (uint32_t)&low_tables[at / PAGE] | P | W | U;
    write_cr3((uint32_t)directory);
    /* PG, and WP, so that the kernel's own stores respect copy on write */
    asm volatile("movl %%cr0, %%eax; orl $0x80010000, %%eax; movl %%eax, %%cr0" ::
                     : "eax", "memory");
}

void cpu_init(void)
{
    tables_init();
    paging_init();
}

/* 8259A: edge-triggered, vectors 0x20 and 0x28; all lines masked but the timer's. 8254: counter 0,
 * mode 2. */
void timer_init(uint32_t divisor)
{
    static const uint8_t words[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 0x04}, {0x21, 0x01},
                                       {0xA0, 0x11}, {0xA1, 0x28}, {0xA1, 0x02}, {0xA1, 0x01},
                                       {0x21, 0xFE}, {0xA1, 0xFF}, {0x43, 0x34}};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        outb(words[i][0], words[i][1]);
    outb(0x40, (uint8_t)divisor);
    outb(0x40, (uint8_t)(divisor >> 8));
}

#endif
