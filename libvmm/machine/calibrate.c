/* Calibration: each part of the state is given two or three values that nothing else has, and the
 * one place in the saved block that took those values is it. What has a neighbour at a distance
 * that the architecture's reference structure fixes (the control registers, the descriptor tables)
 * is derived from the neighbour and then checked the same way. */
#include "calibrate.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#define SCRATCH_SIZE (4u << 20)
enum {
    GDT = 0x1000,
    SELECTORS = 0x5000,
    CODE = 0x10000,
    STACK = 0x80000,
    PAGE_DIRECTORY = 0x100000,
    PAGE_TABLE = 0x101000,
};

struct scratch {
    uc_engine *uc;
    uint8_t *ram;
    uint32_t interrupt;       /* the last one */
    uc_context *at_interrupt; /* the processor at that moment */
    uc_context *clean, *other;
    size_t size;
};

static uint32_t word(const uc_context *block, size_t offset)
{
    uint32_t value;
    memcpy(&value, (const uint8_t *)block + offset, sizeof value);
    return value;
}

static void write_register(struct scratch *s, int reg, uint32_t value)
{
    uc_reg_write(s->uc, reg, &value);
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *context)
{
    struct scratch *s = context;
    s->interrupt = number;
    uc_context_save(uc, s->at_interrupt);
    uc_emu_stop(uc);
}

static void descriptor(struct scratch *s, unsigned selector, uint8_t access)
{
    const uint8_t bytes[8] = {0xff, 0xff, 0, 0, 0, access, 0xcf, 0};
    memcpy(s->ram + GDT + selector, bytes, sizeof bytes);
}

static void run(struct scratch *s, const void *code, size_t size)
{
    uc_context_restore(s->uc, s->clean);
    memcpy(s->ram + CODE, code, size);
    uc_ctl_remove_cache(s->uc, CODE, CODE + 64);
    uc_emu_start(s->uc, CODE, 0, 0, 0);
}

/* The only offset at which block `a` has `value_a` and block `b` has `value_b`; 0 if there is none,
 * or more than one. */
static size_t unique(const struct scratch *s, const uc_context *a, uint32_t value_a,
                     const uc_context *b, uint32_t value_b, size_t from)
{
    size_t found = 0;
    unsigned count = 0;
    for (size_t offset = from; offset + 4 <= s->size; offset += 4)
        if (word(a, offset) == value_a && word(b, offset) == value_b) {
            found = offset;
            count++;
        }
    return count == 1 ? found : 0;
}

static size_t find_register(struct scratch *s, int reg, uint32_t first, uint32_t second)
{
    uc_context *a = s->other, *b = s->at_interrupt;
    uc_context_restore(s->uc, s->clean);
    write_register(s, reg, first);
    uc_context_save(s->uc, a);
    write_register(s, reg, second);
    uc_context_save(s->uc, b);
    return unique(s, a, first, b, second, 0);
}

/* MOV DS from memory with two selectors beyond the GDT's limit: #GP with the selector as code. */
static bool find_exception_words(struct scratch *s, struct engine_layout *layout)
{
    static const uint8_t load_ds[] = {0x8e, 0x1d, 0x00, 0x50, 0x00, 0x00};
    static const uint16_t selectors[2] = {0x1230, 0x4560};
    uc_context *blocks[2] = {s->other, s->at_interrupt};
    for (int i = 0; i < 2; i++) {
        memcpy(s->ram + SELECTORS, &selectors[i], 2);
        run(s, load_ds, sizeof load_ds);
        if (s->interrupt != 13)
            return false;
        if (i == 0)
            memcpy(blocks[0], s->at_interrupt, s->size);
    }
    layout->error_code = unique(s, blocks[0], selectors[0], blocks[1], selectors[1], 0);
    layout->old_exception = unique(s, s->clean, UINT32_MAX, blocks[1], 13, layout->error_code);
    return layout->error_code && layout->old_exception;
}

/* The word whose low two bits follow the ring that IRET enters, all else being equal. */
static bool find_hflags(struct scratch *s, struct engine_layout *layout)
{
    static const uint8_t iret[] = {0xcf}, int3[] = {0xcc};
    static const struct {
        uint32_t cs, ss;
    } rings[3] = {{0x08, 0x10}, {0x19, 0x21}, {0x2b, 0x33}};
    uint8_t *blocks = malloc(3 * s->size);
    if (!blocks)
        return false;
    for (int i = 0; i < 3; i++) {
        const uint32_t frame[5] = {CODE + 32, rings[i].cs, 2, STACK, rings[i].ss};
        memcpy(s->ram + STACK - 256, frame, sizeof frame);
        memcpy(s->ram + CODE + 32, int3, sizeof int3);
        uc_context_restore(s->uc, s->clean);
        memcpy(s->ram + CODE, iret, sizeof iret);
        uc_ctl_remove_cache(s->uc, CODE, CODE + 64);
        write_register(s, UC_X86_REG_ESP, STACK - 256);
        uc_emu_start(s->uc, CODE, 0, 0, 0);
        memcpy(blocks + (size_t)i * s->size, s->at_interrupt, s->size);
    }
    unsigned count = 0;
    for (size_t offset = 0; offset + 4 <= s->size; offset += 4) {
        uint32_t ring0, ring1, ring3;
        memcpy(&ring0, blocks + offset, 4);
        memcpy(&ring1, blocks + s->size + offset, 4);
        memcpy(&ring3, blocks + 2 * s->size + offset, 4);
        if (ring0 && !(ring0 & 3) && (ring0 ^ ring1) == 1 && (ring0 ^ ring3) == 3) {
            layout->hflags = offset;
            count++;
        }
    }
    free(blocks);
    return count == 1;
}

static bool find_cr2(struct scratch *s, struct engine_layout *layout)
{
    static const uint8_t load_byte[] = {0xa0, 0x78, 0x56, 0x34, 0x12};
    uint32_t entry = PAGE_TABLE | 7;
    memcpy(s->ram + PAGE_DIRECTORY, &entry, 4);
    for (uint32_t i = 0; i < 1024; i++) {
        entry = i << 12 | 7;
        memcpy(s->ram + PAGE_TABLE + 4 * i, &entry, 4);
    }
    uc_context_restore(s->uc, s->clean);
    memcpy(s->ram + CODE, load_byte, sizeof load_byte);
    uc_ctl_remove_cache(s->uc, CODE, CODE + 64);
    write_register(s, UC_X86_REG_CR3, PAGE_DIRECTORY);
    write_register(s, UC_X86_REG_CR0, 0x80000011);
    uc_emu_start(s->uc, CODE, 0, 0, 0);
    layout->cr2 = unique(s, s->clean, 0, s->at_interrupt, 0x12345678, 0);
    if (!layout->cr2)
        return false;
    layout->cr0 = layout->cr2 - 16;
    layout->cr3 = layout->cr2 + 8;
    layout->cr4 = layout->cr2 + 16;
    return word(s->at_interrupt, layout->cr0) == 0x80000011 &&
           word(s->at_interrupt, layout->cr3) == PAGE_DIRECTORY;
}

static bool find_segments(struct scratch *s, struct engine_layout *layout)
{
    uc_context_restore(s->uc, s->clean);
    uc_x86_mmr gdtr = {0, 0x00345000, 0x1237, 0}, idtr = {0, 0x00678000, 0x0457, 0};
    uc_x86_mmr ldtr = {0x48, 0x00246000, 0x1357, 0x8200}, tr = {0x50, 0x00135000, 0x2467, 0x8900};
    uc_reg_write(s->uc, UC_X86_REG_GDTR, &gdtr);
    uc_reg_write(s->uc, UC_X86_REG_IDTR, &idtr);
    uc_reg_write(s->uc, UC_X86_REG_LDTR, &ldtr);
    uc_reg_write(s->uc, UC_X86_REG_TR, &tr);
    uc_context_save(s->uc, s->other);
    layout->segments = layout->hflags + 8;
    layout->ldtr = layout->segments + 6 * LAYOUT_SEGMENT;
    layout->tr = layout->ldtr + LAYOUT_SEGMENT;
    layout->gdtr = layout->tr + LAYOUT_SEGMENT;
    layout->idtr = layout->gdtr + LAYOUT_SEGMENT;
    const struct {
        size_t at;
        uint32_t base, limit;
    } tables[] = {{layout->ldtr, (uint32_t)ldtr.base, ldtr.limit},
                  {layout->tr, (uint32_t)tr.base, tr.limit},
                  {layout->gdtr, (uint32_t)gdtr.base, gdtr.limit},
                  {layout->idtr, (uint32_t)idtr.base, idtr.limit}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (word(s->other, tables[i].at + LAYOUT_BASE) != tables[i].base ||
            word(s->other, tables[i].at + LAYOUT_LIMIT) != tables[i].limit)
            return false;
    static const uint16_t selectors[6] = {0x10, 0x08, 0x10, 0x10, 0x10, 0x10};
    for (unsigned i = 0; i < 6; i++)
        if (word(s->other, layout->segments + i * LAYOUT_SEGMENT) != selectors[i])
            return false;
    return true;
}

static bool find_general(struct scratch *s, struct engine_layout *layout)
{
    layout->eip = find_register(s, UC_X86_REG_EIP, 0x13572468, 0x2468ace1);
    layout->gpr = find_register(s, UC_X86_REG_EAX, 0x11223344, 0x55667788);
    layout->eflags = layout->eip + 8;
    return layout->eip && layout->gpr && layout->gpr + 128 == layout->eip &&
           find_register(s, UC_X86_REG_EDI, 0x01020304, 0x05060708) == layout->gpr + 7 * LAYOUT_GPR;
}

static void set_copied(uc_context *block, uint64_t bytes)
{
    memcpy(block, &bytes, sizeof bytes);
}

/* Saves `bytes` of the processor over a pattern; returns where in the block they end. */
static size_t saved_end(struct scratch *s, uint64_t bytes)
{
    const uint8_t pattern = 0xa5;
    uint8_t *part = (uint8_t *)s->other;
    size_t end = s->size;
    memset(part + 64, pattern, s->size - 64);
    set_copied(s->other, bytes);
    uc_context_save(s->uc, s->other);
    while (end && part[end - 1] == pattern)
        end--;
    return end;
}

/* Saving and restoring copies as many bytes as the block's first word says; with fewer in it only
 * the head is copied, and the rest of the block stays as it is. */
static bool find_head(struct scratch *s, struct engine_layout *layout)
{
    enum { SOME = 256 };
    uint64_t whole;
    uint32_t eax = 0;
    const uint8_t *part = (const uint8_t *)s->other, *all = (const uint8_t *)s->at_interrupt;
    memcpy(&whole, s->clean, sizeof whole);
    uc_context_restore(s->uc, s->clean);
    write_register(s, UC_X86_REG_EAX, 0x31415926);
    uc_context_save(s->uc, s->at_interrupt);
    size_t header = saved_end(s, SOME) - SOME, end = layout->cr4 + 4;
    layout->whole = whole;
    layout->head = end - header;
    if (header > 64 || header + whole > s->size || layout->old_exception + 4 > header + whole ||
        layout->idtr + LAYOUT_SEGMENT > end || layout->error_code < end ||
        layout->old_exception < end || saved_end(s, layout->head) > end ||
        memcmp(part + header, all + header, layout->head))
        return false;
    write_register(s, UC_X86_REG_EAX, 0);
    uc_context_restore(s->uc, s->other);
    uc_reg_read(s->uc, UC_X86_REG_EAX, &eax);
    set_copied(s->other, whole);
    uc_context_save(s->uc, s->other);
    return eax == 0x31415926 && !memcmp(part + header, all + header, whole);
}

/* Where the block call is made from. */
struct callers {
    uintptr_t from[2][2]; /* by pass and block */
    unsigned calls;
};

static void on_block(uc_engine *uc, uint64_t pc, uint32_t size, void *context)
{
    struct callers *callers = context;
    (void)size;
    if (callers->calls < 4)
        callers->from[callers->calls / 2][(pc - CODE) / 2 & 1] =
            (uintptr_t)__builtin_return_address(0);
    if (++callers->calls >= 4)
        uc_emu_stop(uc);
}

/* Two blocks that jump to each other: each one calls from a place of its own, always the same. */
static bool check_block_calls(struct scratch *s)
{
    static const uint8_t jumps[] = {0xeb, 0x00, 0xeb, 0xfc};
    struct callers callers = {.calls = 0};
    uc_hook hook;
    if (uc_hook_add(s->uc, &hook, UC_HOOK_BLOCK, (void *)on_block, &callers, 1, 0))
        return false;
    run(s, jumps, sizeof jumps);
    uc_hook_del(s->uc, hook);
    return callers.calls >= 4 && callers.from[0][0] && callers.from[0][1] &&
           callers.from[0][0] != callers.from[0][1] && callers.from[1][0] == callers.from[0][0] &&
           callers.from[1][1] == callers.from[0][1];
}

static bool power_on(struct scratch *s)
{
    static const int data[] = {UC_X86_REG_SS, UC_X86_REG_DS, UC_X86_REG_ES, UC_X86_REG_FS,
                               UC_X86_REG_GS};
    uc_hook hook;
    s->ram = calloc(1, SCRATCH_SIZE);
    if (!s->ram || uc_open(UC_ARCH_X86, UC_MODE_32, &s->uc) ||
        uc_ctl_set_cpu_model(s->uc, UC_CPU_X86_QEMU64) ||
        uc_ctl_set_tcg_buffer_size(s->uc, 8u << 20) ||
        uc_mem_map_ptr(s->uc, 0, SCRATCH_SIZE, UC_PROT_ALL, s->ram) || uc_ctl_exits_enable(s->uc) ||
        uc_hook_add(s->uc, &hook, UC_HOOK_INTR, (void *)on_interrupt, s, 1, 0) ||
        uc_context_alloc(s->uc, &s->clean) || uc_context_alloc(s->uc, &s->other) ||
        uc_context_alloc(s->uc, &s->at_interrupt))
        return false;
    s->size = uc_context_size(s->uc);
    static const uint8_t access[] = {0x9b, 0x93, 0xbb, 0xb3, 0xfb, 0xf3};
    for (unsigned i = 0; i < sizeof access; i++)
        descriptor(s, 8 * (i + 1), access[i]);
    uc_x86_mmr gdtr = {0, GDT, 0xff, 0};
    uc_reg_write(s->uc, UC_X86_REG_GDTR, &gdtr);
    write_register(s, UC_X86_REG_CS, 0x08);
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        write_register(s, data[i], 0x10);
    write_register(s, UC_X86_REG_ESP, STACK);
    return uc_context_save(s->uc, s->clean) == UC_ERR_OK;
}

bool calibrate(struct engine_layout *layout, char *why, size_t room)
{
    struct scratch s = {0};
    const char *missing = 0;
    memset(layout, 0, sizeof *layout);
    if (!power_on(&s))
        missing = "a working x86 engine";
    else if (!find_general(&s, layout))
        missing = "the general registers";
    else if (!find_exception_words(&s, layout))
        missing = "the error code";
    else if (!find_hflags(&s, layout))
        missing = "the privilege level";
    else if (!find_segments(&s, layout))
        missing = "the segment registers";
    else if (!find_cr2(&s, layout))
        missing = "the control registers";
    else if (!find_head(&s, layout))
        missing = "how much of the processor is saved";
    else if (!check_block_calls(&s))
        missing = "which block it enters";
    layout->size = s.size;
    if (missing)
        snprintf(why, room,
                 "This Unicorn engine (version %u.%u.%u) does not show %s where version 2.1.1 "
                 "does; link libvmm with Unicorn 2.1.1.",
                 (unsigned)UC_API_MAJOR, (unsigned)UC_API_MINOR, (unsigned)UC_API_PATCH, missing);
    if (s.clean)
        uc_context_free(s.clean);
    if (s.other)
        uc_context_free(s.other);
    if (s.at_interrupt)
        uc_context_free(s.at_interrupt);
    if (s.uc)
        uc_close(s.uc);
    free(s.ram);
    return !missing;
}
