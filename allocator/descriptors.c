/* Shadow descriptor tables. See descriptors.h. */
#include "descriptors.h"

#include <stdlib.h>
#include <string.h>

/* Where the tables lie in the VMM's 4 MB, in pages. */
enum { FIRST_PAGE = 0x100 };

/* Stores next to a table before it is let go of; after each recall more by a factor. */
enum { PATIENCE = 1024, PATIENCE_GROWTH = 4, PATIENCE_MOST = 1 << 26 };

static uint32_t place(enum descriptors_table table, enum descriptors_view view)
{
    return FIRST_PAGE + (table * DESCRIPTORS_VIEWS + view) * DESCRIPTORS_PAGES;
}

uint32_t descriptors_base(enum descriptors_table table, enum descriptors_view view, uint32_t slot)
{
    return slot << 22 | place(table, view) << MEMORY_FRAME_SHIFT;
}

/* Behind the tables are the addresses of an IDT and a TSS (dispatcher/vcpu.c), which stay empty;
 * and so do the last pages: a guest's kernel, which can read what is here, reads below address 0
 * rather than elsewhere. */
const struct descriptors_run descriptors_free[DESCRIPTORS_FREE_RUNS] = {
    {0, FIRST_PAGE}, {0x140, 0xc0}, {0x220, 0x1d0}};

void descriptors_map(struct descriptors *d, uint32_t page, uint32_t machine, bool writable)
{
    uint32_t *entries = (uint32_t *)(void *)memory_frame(d->pool->memory, d->page_table);
    uint32_t rights = X86_PTE_P | X86_PTE_A | (writable ? X86_PTE_RW | X86_PTE_D : 0);

    entries[page] = machine == FRAMES_NONE ? 0 : machine | rights;
}

uint32_t descriptors_slot_entry(const struct descriptors *descriptors)
{
    return descriptors->page_table | X86_PTE_P | X86_PTE_RW | X86_PTE_A;
}

/* ---- one descriptor ---- */

static struct x86_descriptor compress(struct x86_descriptor guest, enum descriptors_view view)
{
    struct x86_descriptor shadow = guest;
    bool outer_code = x86_is_code(guest.high) && X86_SEG_DPL(guest.high) > 0;

    if (!(guest.high & X86_SEG_S) || !(guest.high & X86_SEG_ACCESSED) ||
        (outer_code && view == DESCRIPTORS_KERNEL)) {
        shadow.high &= ~(uint32_t)X86_SEG_PRESENT;
    }
    if ((guest.high & X86_SEG_S) && X86_SEG_DPL(guest.high) == 0) {
        shadow.high |= 1u << 13;
    }
    return shadow;
}

static void put(struct descriptors *d, enum descriptors_table which, uint32_t index,
                struct x86_descriptor guest)
{
    struct shadow_descriptor_table *table = &d->table[which];
    uint32_t page = index * 8 / MEMORY_FRAME_SIZE, offset = index * 8 % MEMORY_FRAME_SIZE;

    table->guest[index] = guest;
    for (unsigned view = 0; view < DESCRIPTORS_VIEWS; view++) {
        struct x86_descriptor shadow = compress(guest, view);
        memcpy(memory_frame(d->pool->memory, table->frame[view][page]) + offset, &shadow,
               sizeof shadow);
    }
}

/* The guest's entry `index`, byte by byte: a table may begin anywhere. Entries that lie beyond the
 * limit or in pages that are not mapped read as not present. */
static struct x86_descriptor fetch(const struct shadow_descriptor_table *table,
                                   const struct frame_map *map, uint32_t index)
{
    struct x86_descriptor entry = {0, 0};
    uint8_t bytes[8];

    if (index * 8 + 8 > table->size) {
        return entry;
    }
    for (unsigned i = 0; i < sizeof bytes; i++) {
        uint32_t offset = (table->base & ~X86_PAGE_MASK) + index * 8 + i;
        uint32_t page = table->page[offset >> MEMORY_FRAME_SHIFT];
        const uint8_t *frame = page == FRAMES_NONE ? NULL : frame_map_page(map, page);

        if (!frame) {
            return entry;
        }
        bytes[i] = frame[offset & ~X86_PAGE_MASK];
    }
    memcpy(&entry, bytes, sizeof entry);
    return entry;
}

struct x86_descriptor descriptors_guest(const struct descriptors *d, uint16_t selector)
{
    return d->table[selector & X86_SELECTOR_TI ? DESCRIPTORS_LDT : DESCRIPTORS_GDT]
        .guest[selector >> 3];
}

/* ---- tables ---- */

static unsigned pages_of(const struct shadow_descriptor_table *table)
{
    uint32_t offset = table->base & ~X86_PAGE_MASK;

    return table->size ? (offset + table->size + MEMORY_FRAME_SIZE - 1) / MEMORY_FRAME_SIZE : 0;
}

/* Where page `i` of the table lies now. */
static uint32_t locate(const struct shadow_descriptor_table *table, unsigned i,
                       const struct cpu_state *cpu, const struct x86_memory *memory)
{
    struct x86_walk walk;
    uint32_t linear = (table->base & X86_PAGE_MASK) + i * MEMORY_FRAME_SIZE;

    if (x86_probe(cpu, memory, linear, 0, &walk) != X86_OK || walk.end != X86_WALK_MAPPED) {
        return FRAMES_NONE;
    }
    return walk.physical & X86_PAGE_MASK;
}

static void untrace(const struct shadow_descriptor_table *table, struct shadow *shadow)
{
    for (unsigned i = 0; !table->let_go && i < pages_of(table); i++) {
        if (table->page[i] != FRAMES_NONE) {
            shadow_untrace(shadow, table->page[i]);
        }
    }
}

unsigned descriptors_load(struct descriptors *d, struct shadow *shadow,
                          enum descriptors_table which, const struct cpu_state *cpu,
                          const struct x86_memory *memory, uint32_t base, uint32_t size)
{
    struct shadow_descriptor_table *table = &d->table[which];
    uint32_t entries = (table->size > size ? table->size : size) / 8;
    unsigned flush = 0;

    untrace(table, shadow);
    if (base != table->base) {
        table->patience = PATIENCE;
    }
    table->let_go = false;
    table->strays = 0;
    table->base = base;
    table->size = size > DESCRIPTORS_ENTRIES * 8 ? DESCRIPTORS_ENTRIES * 8 : size;
    for (unsigned i = 0; i < pages_of(table); i++) {
        table->page[i] = locate(table, i, cpu, memory);
        if (table->page[i] != FRAMES_NONE) {
            flush |= shadow_trace(shadow, table->page[i]);
        }
    }
    for (uint32_t i = 0; i < entries && i < DESCRIPTORS_ENTRIES; i++) {
        put(d, which, i, fetch(table, shadow_map(shadow), i));
    }
    return flush;
}

void descriptors_set(struct descriptors *d, enum descriptors_table which,
                     const struct x86_descriptor *guest, uint32_t count)
{
    struct shadow_descriptor_table *table = &d->table[which];
    uint32_t before = table->size / 8;

    table->base = 0;
    table->size = count * 8;
    memset(table->page, 0xff, sizeof table->page);
    for (uint32_t i = 0; i < count || i < before; i++) {
        put(d, which, i, i < count ? guest[i] : (struct x86_descriptor){0, 0});
    }
}

unsigned descriptors_check(struct descriptors *d, struct shadow *shadow,
                           const struct cpu_state *cpu, const struct x86_memory *memory)
{
    unsigned flush = 0;

    for (unsigned which = 0; which < DESCRIPTORS_TABLES; which++) {
        const struct shadow_descriptor_table *table = &d->table[which];
        for (unsigned i = 0; !table->let_go && i < pages_of(table); i++) {
            if (table->page[i] != locate(table, i, cpu, memory)) {
                flush |= descriptors_load(d, shadow, which, cpu, memory, table->base, table->size);
                break;
            }
        }
    }
    return flush;
}

static bool written(struct descriptors *d, enum descriptors_table which,
                    const struct frame_map *map, uint32_t guest, uint32_t count)
{
    const struct shadow_descriptor_table *table = &d->table[which];
    uint32_t start = table->base & ~X86_PAGE_MASK;
    bool any = false;

    for (unsigned i = 0; !table->let_go && i < pages_of(table); i++) {
        uint32_t first = guest & ~X86_PAGE_MASK, last = first + count - 1;
        if (table->page[i] != (guest & X86_PAGE_MASK)) {
            continue;
        }
        first += i * MEMORY_FRAME_SIZE;
        last += i * MEMORY_FRAME_SIZE;
        if (last < start) {
            continue;
        }
        for (uint32_t index = first < start ? 0 : (first - start) / 8;
             index <= (last - start) / 8 && index * 8 < table->size; index++) {
            put(d, which, index, fetch(table, map, index));
            any = true;
        }
    }
    return any;
}

bool descriptors_written(struct descriptors *d, const struct frame_map *map, uint32_t guest,
                         uint32_t count)
{
    bool gdt = written(d, DESCRIPTORS_GDT, map, guest, count);
    bool ldt = written(d, DESCRIPTORS_LDT, map, guest, count);
    return gdt || ldt;
}

/* ---- letting go ---- */

static void let_go(struct descriptors *d, enum descriptors_table which, struct shadow *shadow)
{
    struct shadow_descriptor_table *table = &d->table[which];

    untrace(table, shadow);
    table->let_go = true;
    for (uint32_t i = 0; i < table->size / 8; i++) {
        put(d, which, i, (struct x86_descriptor){0, 0});
    }
}

void descriptors_strayed(struct descriptors *d, struct shadow *shadow, uint32_t guest)
{
    for (unsigned which = 0; which < DESCRIPTORS_TABLES; which++) {
        struct shadow_descriptor_table *table = &d->table[which];
        for (unsigned i = 0; !table->let_go && i < pages_of(table); i++) {
            if (table->page[i] == (guest & X86_PAGE_MASK) && ++table->strays >= table->patience) {
                let_go(d, which, shadow);
            }
        }
    }
}

bool descriptors_recall(struct descriptors *d, struct shadow *shadow, const struct cpu_state *cpu,
                        const struct x86_memory *memory, unsigned *flush)
{
    bool any = false;

    *flush = 0;
    for (unsigned which = 0; which < DESCRIPTORS_TABLES; which++) {
        struct shadow_descriptor_table *table = &d->table[which];
        if (!table->let_go) {
            continue;
        }
        *flush |= descriptors_load(d, shadow, which, cpu, memory, table->base, table->size);
        table->patience *= table->patience < PATIENCE_MOST ? PATIENCE_GROWTH : 1;
        any = true;
    }
    return any;
}

/* ---- life ---- */

static bool take_frames(struct descriptors *d)
{
    uint32_t *entries;

    d->page_table = frames_take(d->pool);
    if (d->page_table == FRAMES_NONE) {
        return false;
    }
    entries = (uint32_t *)(void *)memory_frame(d->pool->memory, d->page_table);
    for (unsigned which = 0; which < DESCRIPTORS_TABLES; which++) {
        for (unsigned view = 0; view < DESCRIPTORS_VIEWS; view++) {
            for (unsigned page = 0; page < DESCRIPTORS_PAGES; page++) {
                uint32_t frame = frames_take(d->pool);
                if (frame == FRAMES_NONE) {
                    return false;
                }
                d->table[which].frame[view][page] = frame;
                entries[place(which, view) + page] = frame | X86_PTE_P | X86_PTE_A;
            }
        }
    }
    return true;
}

bool descriptors_init(struct descriptors *d, struct frames *pool)
{
    *d = (struct descriptors){.pool = pool, .page_table = FRAMES_NONE};
    memset(d->table[0].frame, 0xff, sizeof d->table[0].frame);
    memset(d->table[1].frame, 0xff, sizeof d->table[1].frame);
    for (unsigned which = 0; which < DESCRIPTORS_TABLES; which++) {
        d->table[which].guest = calloc(DESCRIPTORS_ENTRIES, sizeof *d->table[which].guest);
        d->table[which].patience = PATIENCE;
    }
    if (d->table[0].guest && d->table[1].guest && take_frames(d)) {
        return true;
    }
    descriptors_destroy(d);
    return false;
}

void descriptors_destroy(struct descriptors *d)
{
    for (unsigned which = 0; which < DESCRIPTORS_TABLES; which++) {
        free(d->table[which].guest);
        for (unsigned i = 0; i < DESCRIPTORS_VIEWS * DESCRIPTORS_PAGES; i++) {
            uint32_t frame = d->table[which].frame[i / DESCRIPTORS_PAGES][i % DESCRIPTORS_PAGES];
            if (frame != FRAMES_NONE) {
                frames_give_back(d->pool, frame);
            }
        }
    }
    if (d->page_table != FRAMES_NONE) {
        frames_give_back(d->pool, d->page_table);
    }
    memset(d, 0, sizeof *d);
}
