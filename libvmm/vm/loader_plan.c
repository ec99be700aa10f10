/* The bookkeeping that all loaders share: pieces that must neither overlap nor leave memory, free
 * places for tables, and the processor states in which boot protocols start. All sums of addresses
 * are made in 64 bits, so no header can make one wrap. */
#include "loader_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

const char *plan_name(const struct loader_file *file)
{
    return file->name ? file->name : "the image";
}

uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) | (uint32_t)get16(bytes + 2) << 16;
}

void put16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

void put32(uint8_t *bytes, uint32_t value)
{
    put16(bytes, (uint16_t)value);
    put16(bytes + 2, (uint16_t)(value >> 16));
}

/* The first piece that shares a byte with [gpa, gpa + size), or NULL. */
static const struct plan_piece *overlapping(const struct loader_plan *plan, uint64_t gpa,
                                            uint64_t size)
{
    for (unsigned i = 0; i < plan->count; i++) {
        const struct plan_piece *piece = &plan->pieces[i];
        if (gpa < (uint64_t)piece->gpa + piece->size && piece->gpa < gpa + size)
            return piece;
    }
    return NULL;
}

int plan_add(struct loader_plan *plan, const char *what, uint64_t gpa, uint64_t size,
             const uint8_t *bytes, uint32_t filled)
{
    const char *name = plan_name(&plan->request->image);
    uint32_t memory = plan->memory->size;
    if (size == 0)
        return VMM_OK;
    if (gpa >= LOADER_MOST || size > LOADER_MOST - gpa)
        return error_set(plan->error, VMM_E_MEMORY,
                         "%.80s: a %s of %" PRIu64 " bytes at 0x%" PRIx64
                         " does not fit below 1 GB, the most that a machine has (-m 1G); link or "
                         "place it lower",
                         name, what, size, gpa);
    if (gpa >= memory || size > memory - gpa)
        return error_set(plan->error, VMM_E_MEMORY,
                         "%.80s: a %s of %" PRIu64 " bytes at 0x%" PRIx64
                         " does not fit into the machine's %u KB of memory; give it more with -m",
                         name, what, size, gpa, memory / 1024);
    const struct plan_piece *other = overlapping(plan, gpa, size);
    if (other)
        return error_set(plan->error, VMM_E_IMAGE,
                         "%.80s: a %s at 0x%" PRIx64 " overlaps a %s at 0x%x; link or place the "
                         "image elsewhere",
                         name, what, gpa, other->what, other->gpa);
    if (plan->count == PLAN_PIECES)
        return error_set(plan->error, VMM_E_IMAGE,
                         "%.80s: it has more than %u pieces; link it with fewer segments", name,
                         PLAN_PIECES);
    plan->pieces[plan->count++] = (struct plan_piece){.what = what,
                                                      .gpa = (uint32_t)gpa,
                                                      .size = (uint32_t)size,
                                                      .bytes = bytes,
                                                      .filled = filled};
    return VMM_OK;
}

bool plan_find(const struct loader_plan *plan, uint32_t size, uint32_t align, uint64_t from,
               uint64_t to, uint32_t *gpa)
{
    if (to > plan->memory->size)
        to = plan->memory->size;
    for (;;) {
        from = (from + align - 1) & ~((uint64_t)align - 1);
        if (from + size > to)
            return false;
        const struct plan_piece *other = overlapping(plan, from, size);
        if (!other) {
            *gpa = (uint32_t)from;
            return true;
        }
        from = (uint64_t)other->gpa + other->size;
    }
}

bool plan_find_high(const struct loader_plan *plan, uint32_t size, uint32_t align, uint64_t from,
                    uint64_t to, uint32_t *gpa)
{
    if (to > plan->memory->size)
        to = plan->memory->size;
    for (;;) {
        if (to < size || to < from)
            return false;
        uint64_t at = (to - size) & ~((uint64_t)align - 1);
        if (at < from)
            return false;
        const struct plan_piece *other = overlapping(plan, at, size);
        if (!other) {
            *gpa = (uint32_t)at;
            return true;
        }
        to = other->gpa;
    }
}

uint8_t *plan_allocate(struct loader_plan *plan, uint32_t size)
{
    size = (size + 7) & ~7u;
    if (size > PLAN_ARENA - plan->arena_used)
        return NULL;
    uint8_t *bytes = plan->arena + plan->arena_used;
    plan->arena_used += size;
    return bytes;
}

int plan_commit(const struct loader_plan *plan)
{
    for (unsigned i = 0; i < plan->count; i++) {
        const struct plan_piece *piece = &plan->pieces[i];
        if (!piece->bytes || !piece->filled)
            continue;
        if (!plan->memory->write(plan->memory->context, piece->gpa, piece->bytes, piece->filled))
            return error_set(plan->error, VMM_E_MEMORY,
                             "%.80s: guest memory at 0x%x could not be written; the host is "
                             "probably short of memory",
                             plan_name(&plan->request->image), piece->gpa);
    }
    return VMM_OK;
}

unsigned plan_memory_map(uint32_t size, struct memory_range map[MAP_ENTRIES])
{
    map[0] = (struct memory_range){0, LOW_MEMORY_END, 1};
    map[1] = (struct memory_range){LOW_MEMORY_END, 0xa0000 - LOW_MEMORY_END, 2};
    map[2] = (struct memory_range){FIRMWARE_ROM, HIGH_MEMORY - FIRMWARE_ROM, 2};
    if (size <= HIGH_MEMORY)
        return 3;
    map[3] = (struct memory_range){HIGH_MEMORY, size - HIGH_MEMORY, 1};
    return 4;
}

enum {
    PRESENT_BUSY_TSS = 0x8b00,
    REAL_CODE = 0x9b00,
    REAL_DATA = 0x9300,
    FLAT_CODE = 0xc09b00, /* 32-bit, 4 KB units, present, ring 0, readable, accessed */
    FLAT_DATA = 0xc09300,
};

/* SDM volume 3, table 9-1. */
void plan_reset_state(struct cpu_state *cpu)
{
    memset(cpu, 0, sizeof *cpu);
    cpu->eflags = X86_FIXED;
    cpu->cr0 = X86_CR0_ET;
    for (unsigned i = 0; i < X86_SREGS; i++)
        cpu->seg[i] = (struct x86_segment){.limit = 0xffff,
                                           .attributes = i == X86_CS ? REAL_CODE : REAL_DATA};
    /* The table gives LDTR a limit of 64 KB. With a null selector nothing can be loaded from it,
     * and the machine keeps all null LDTRs empty. */
    cpu->tr = (struct x86_segment){.limit = 0xffff, .attributes = PRESENT_BUSY_TSS};
    cpu->gdtr.limit = 0xffff;
    cpu->idtr.limit = 0x3ff;
    cpu->dr[6] = 0xffff0ff0;
    cpu->dr[7] = 0x400;
}

/* A flat descriptor: base 0, limit 4 GB. */
static void put_flat(uint8_t *table, uint16_t selector, uint32_t attributes)
{
    put32(table + selector, 0x0000ffff);
    put32(table + selector + 4, attributes | 0x000f0000);
}

int plan_protected_state(struct loader_plan *plan, struct cpu_state *cpu, uint16_t code,
                         uint16_t data, uint32_t entry)
{
    uint32_t size = (code > data ? code : data) + 8u, gpa;
    uint8_t *table = plan_allocate(plan, size);
    if (!table || !plan_find(plan, size, 8, 0x500, LOW_MEMORY_END, &gpa))
        return error_set(plan->error, VMM_E_IMAGE,
                         "%.80s: it leaves no room for a descriptor table below 640 KB; link it "
                         "higher",
                         plan_name(&plan->request->image));
    put_flat(table, code, FLAT_CODE);
    put_flat(table, data, FLAT_DATA);
    plan_reset_state(cpu);
    cpu->cr0 |= X86_CR0_PE;
    cpu->eip = entry;
    cpu->gdtr = (struct x86_table){.base = gpa, .limit = (uint16_t)(size - 1)};
    cpu->idtr.limit = 0; /* an exception before the kernel has an IDT is a shutdown */
    for (unsigned i = 0; i < X86_SREGS; i++)
        cpu->seg[i] = (struct x86_segment){.selector = i == X86_CS ? code : data,
                                           .limit = 0xffffffff,
                                           .attributes = i == X86_CS ? FLAT_CODE : FLAT_DATA};
    return plan_add(plan, "descriptor table", gpa, size, table, size);
}
