/* A small protected-mode world for tests of the architecture: a GDT with segments of three rings,
 * an LDT, an IDT, a TSS with a stack for each ring, all in flat memory with paging off. */
#ifndef VMM_TESTS_PROTECTED_MODE_H
#define VMM_TESTS_PROTECTED_MODE_H

#include "arch/x86/descriptor.h"
#include "flat_memory.h"

enum world_address {
    WORLD_GDT = 0x1000,
    WORLD_IDT = 0x2000,
    WORLD_TSS = 0x3000,
    WORLD_LDT = 0x3800,
    WORLD_STACK0 = 0x5000, /* the top of each ring's stack */
    WORLD_STACK1 = 0x6000,
    WORLD_STACK3 = 0x7000,
    WORLD_CODE = 0x8000,
    WORLD_HANDLER = 0x9000,
    WORLD_TASK = 0xa000, /* a second TSS */
};

enum world_selector {
    WORLD_CODE0 = 0x08,
    WORLD_DATA0 = 0x10,
    WORLD_CODE1 = 0x19,
    WORLD_DATA1 = 0x21,
    WORLD_CODE3 = 0x2b,
    WORLD_DATA3 = 0x33,
    WORLD_CONFORMING = 0x38, /* DPL 0 */
    WORLD_TR = 0x40,
    WORLD_LDTR = 0x48,
    WORLD_SPARE = 0x50, /* for a test's own descriptor */
    WORLD_TASK_SELECTOR = 0x58,
    WORLD_CODE16 = 0x60,
    WORLD_DATA16 = 0x68,
    WORLD_SPARE2 = 0x70,
    WORLD_GDT_LIMIT = 0x7f,
};

#define WORLD_FLAT      (X86_SEG_G | X86_SEG_DB | X86_SEG_PRESENT | X86_SEG_S)
#define WORLD_CODER     (X86_SEG_CODE | X86_SEG_RW)
#define WORLD_RING(dpl) ((uint32_t)(dpl) << 13)

static inline void world_put(struct flat_memory *flat, uint32_t address,
                             struct x86_descriptor descriptor)
{
    flat_put32(flat, address, descriptor.low);
    flat_put32(flat, address + 4, descriptor.high);
}

static inline void world_gdt(struct flat_memory *flat, unsigned selector, uint32_t base,
                             uint32_t limit, uint32_t attributes)
{
    world_put(flat, WORLD_GDT + (selector & ~7u), x86_descriptor_make(base, limit, attributes));
}

static inline uint32_t world_attributes(const struct flat_memory *flat, unsigned selector)
{
    return flat_get32(flat, WORLD_GDT + (selector & ~7u) + 4) & X86_ATTRIBUTES;
}

/* A gate of `type` with `dpl`, present, in the IDT. */
static inline void world_gate(struct flat_memory *flat, unsigned vector, unsigned type,
                              unsigned dpl, uint16_t selector, uint32_t offset)
{
    flat_put32(flat, WORLD_IDT + vector * 8, (uint32_t)selector << 16 | (offset & 0xffff));
    flat_put32(flat, WORLD_IDT + vector * 8 + 4,
               (offset & 0xffff0000) | X86_SEG_PRESENT | dpl << 13 | type << 8);
}

/* A segment register as loaded from the GDT, whatever the checks say. */
static inline struct x86_segment world_segment(const struct flat_memory *flat, unsigned selector)
{
    uint32_t at = WORLD_GDT + (selector & ~7u);
    struct x86_descriptor descriptor = {flat_get32(flat, at), flat_get32(flat, at + 4)};

    return x86_descriptor_segment((uint16_t)selector, descriptor);
}

/* Puts the processor into `ring` (0, 1 or 3), with that ring's flat segments and stack. */
static inline void world_enter(struct flat_memory *flat, struct cpu_state *cpu, unsigned ring)
{
    static const uint16_t code[] = {WORLD_CODE0, WORLD_CODE1, 0, WORLD_CODE3};
    static const uint16_t data[] = {WORLD_DATA0, WORLD_DATA1, 0, WORLD_DATA3};
    static const uint32_t stack[] = {WORLD_STACK0, WORLD_STACK1, 0, WORLD_STACK3};

    cpu->cpl = (uint8_t)ring;
    for (unsigned i = 0; i < X86_SREGS; i++) {
        cpu->seg[i] = world_segment(flat, i == X86_CS ? code[ring] : data[ring]);
    }
    cpu->gpr[X86_ESP] = stack[ring];
    cpu->eip = WORLD_CODE;
}

static inline void world_build(struct flat_memory *flat, struct cpu_state *cpu)
{
    *cpu = (struct cpu_state){.cr0 = X86_CR0_PE | X86_CR0_ET,
                              .eflags = X86_FIXED | X86_IF,
                              .gdtr = {.base = WORLD_GDT, .limit = WORLD_GDT_LIMIT},
                              .idtr = {.base = WORLD_IDT, .limit = 0x7ff}};
    for (unsigned ring = 0; ring < 4; ring++) {
        static const uint16_t code[] = {WORLD_CODE0, WORLD_CODE1, WORLD_SPARE, WORLD_CODE3};
        static const uint16_t data[] = {WORLD_DATA0, WORLD_DATA1, WORLD_SPARE, WORLD_DATA3};
        world_gdt(flat, code[ring], 0, UINT32_MAX, WORLD_FLAT | WORLD_CODER | WORLD_RING(ring));
        world_gdt(flat, data[ring], 0, UINT32_MAX, WORLD_FLAT | X86_SEG_RW | WORLD_RING(ring));
    }
    world_gdt(flat, WORLD_CONFORMING, 0, UINT32_MAX, WORLD_FLAT | WORLD_CODER | X86_SEG_DC);
    world_gdt(flat, WORLD_CODE16, 0, 0xffff, X86_SEG_PRESENT | X86_SEG_S | WORLD_CODER);
    world_gdt(flat, WORLD_DATA16, 0, 0xffff, X86_SEG_PRESENT | X86_SEG_S | X86_SEG_RW);
    world_gdt(flat, WORLD_TR, WORLD_TSS, 0x67, X86_SEG_PRESENT | X86_TSS32_BUSY << 8);
    world_gdt(flat, WORLD_LDTR, WORLD_LDT, 0xf, X86_SEG_PRESENT | X86_LDT << 8);
    world_gdt(flat, WORLD_TASK_SELECTOR, WORLD_TASK, 0x67,
              X86_SEG_PRESENT | X86_TSS32_AVAILABLE << 8);
    flat_put32(flat, WORLD_TSS + 4, WORLD_STACK0);
    flat_put32(flat, WORLD_TSS + 8, WORLD_DATA0);
    flat_put32(flat, WORLD_TSS + 12, WORLD_STACK1);
    flat_put32(flat, WORLD_TSS + 16, WORLD_DATA1);
    cpu->tr = world_segment(flat, WORLD_TR);
    world_enter(flat, cpu, 0);
}

#endif
