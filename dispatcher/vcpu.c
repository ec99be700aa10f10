/* The virtual processor and its stand-in. See vcpu.h. */
#include "vcpu.h"

#include <assert.h>
#include <string.h>

#include "arch/x86/descriptor.h"
#include "arch/x86/walk.h"

/* What the VMM's own registers hold; the guest sees it with SGDT, SIDT, SLDT and STR. The pages of
 * the IDT and TSS are not mapped: no event goes through them, and what looks into them traps. */
enum {
    VMM_LDT_SELECTOR = 0xfff0,
    VMM_TSS_SELECTOR = 0xffe8,
    VMM_IDT_PAGE = 0x200,
    VMM_TSS_PAGE = 0x210,
    VMM_SLOT = 1023
};

/* EFLAGS that the guest cannot change on the real processor. */
#define VIRTUAL_FLAGS ((uint32_t)(X86_IF | X86_IOPL | X86_VM))
/* CR0 bits that direct execution depends on, and that are the guest's own. */
#define GUEST_CR0 ((uint32_t)(X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_NE | X86_CR0_AM))
#define REAL_CR0  ((uint32_t)(X86_CR0_PE | X86_CR0_ET | X86_CR0_WP | X86_CR0_PG))
#define GUEST_CR4 ((uint32_t)(X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT))

static bool stands_in_v86(const struct cpu_state *guest)
{
    return !(guest->cr0 & X86_CR0_PE) || (guest->eflags & X86_VM);
}

/* ---- guest to real ---- */

static void compress(struct x86_segment *segment)
{
    if (X86_SEG_DPL(segment->attributes) == 0)
        segment->attributes |= 1u << 13;
}

static void project_segments(struct cpu_state *real, const struct cpu_state *guest)
{
    memcpy(real->seg, guest->seg, sizeof real->seg);
    if (stands_in_v86(guest)) {
        for (unsigned i = 0; i < X86_SREGS; i++)
            real->seg[i].attributes |= 3u << 13;
        real->cpl = 3;
        return;
    }
    real->cpl = guest->cpl ? guest->cpl : 1;
    if (guest->cpl)
        return;
    for (unsigned i = 0; i < X86_SREGS; i++)
        compress(&real->seg[i]);
    real->seg[X86_CS].selector |= 1;
    real->seg[X86_SS].selector |= 1;
}

static void project_tables(const struct vcpu *v, struct cpu_state *real)
{
    const struct cpu_state *guest = &v->state;
    uint32_t slot = shadow_slot(v->shadow);
    enum descriptors_view view = guest->cpl == 3 ? DESCRIPTORS_USER : DESCRIPTORS_KERNEL;
    real->gdtr =
        (struct x86_table){descriptors_base(DESCRIPTORS_GDT, view, slot), guest->gdtr.limit};
    real->idtr = (struct x86_table){slot << 22 | VMM_IDT_PAGE << MEMORY_FRAME_SHIFT, 0x7ff};
    real->ldtr = (struct x86_segment){0};
    if (!x86_selector_null(guest->ldtr.selector))
        real->ldtr =
            (struct x86_segment){VMM_LDT_SELECTOR, descriptors_base(DESCRIPTORS_LDT, view, slot),
                                 guest->ldtr.limit, guest->ldtr.attributes};
    real->tr =
        (struct x86_segment){VMM_TSS_SELECTOR, slot << 22 | VMM_TSS_PAGE << MEMORY_FRAME_SHIFT,
                             0x67, X86_SEG_PRESENT | X86_TSS32_BUSY << 8};
}

/* In guest mode. Shadow tables are never off: in real mode too the processor walks them ("paged
 * real mode", APM volume 2, section 15.19). */
static void project_assisted(struct vcpu *v)
{
    struct cpu_state *real = &v->cpu->state;
    *real = v->state;
    memcpy(v->cpu->dr, v->state.dr, sizeof v->cpu->dr);
    if (v->assist == VCPU_NESTED)
        return;
    real->cr0 |= X86_CR0_PG | X86_CR0_WP;
    real->cr3 = v->root;
    real->cr4 &= ~(uint32_t)(X86_CR4_PSE | X86_CR4_PGE);
}

void vcpu_make_way(struct vcpu *v)
{
    if (shadow_make_way(v->shadow, &v->state, &v->quiet))
        cpu_flush_tlb(v->cpu);
}

static uint32_t project_flags(const struct cpu_state *guest)
{
    if (vcpu_has_flags(guest))
        return guest->eflags;
    return (guest->eflags & ~(uint32_t)X86_IOPL) | X86_IF | (stands_in_v86(guest) ? X86_VM : 0u);
}

void vcpu_project(struct vcpu *v)
{
    const struct cpu_state *guest = &v->state;
    struct cpu_state *real = &v->cpu->state;
    if (v->assist != VCPU_COMPRESSED) {
        project_assisted(v);
        return;
    }
    vcpu_make_way(v);
    if (guest->cpl == 3)
        vcpu_recall_tables(v);
    memcpy(real->gpr, guest->gpr, sizeof real->gpr);
    real->eip = guest->eip;
    real->eflags = project_flags(guest);
    real->interrupt_shadow = guest->interrupt_shadow;
    real->cr0 = REAL_CR0 | (guest->cr0 & GUEST_CR0);
    real->cr3 = v->root;
    real->cr4 = guest->cr4 & GUEST_CR4;
    project_segments(real, guest);
    project_tables(v, real);
    memcpy(v->real, real->seg, sizeof v->real);
}

/* ---- real to guest ---- */

/* A segment register that the guest loaded directly; everything but the DPL went through the shadow
 * as it is. */
static void absorb_segment(struct vcpu *v, enum x86_sreg sreg, const struct x86_segment *real)
{
    struct cpu_state *guest = &v->state;
    struct x86_segment *segment = &guest->seg[sreg];
    bool ring = sreg == X86_CS || sreg == X86_SS;
    if (stands_in_v86(guest)) {
        uint32_t attributes = segment->attributes;
        segment->selector = real->selector;
        segment->base = real->base;
        if (guest->eflags & X86_VM)
            segment->limit = real->limit;
        segment->attributes = attributes;
        return;
    }
    *segment = *real;
    if (ring && guest->cpl == 0)
        segment->selector &= ~(uint16_t)X86_SELECTOR_RPL;
    if (!x86_selector_null(real->selector) && X86_SEG_DPL(real->attributes) == 1 &&
        X86_SEG_DPL(descriptors_guest(&v->tables, real->selector).high) == 0)
        segment->attributes &= ~(3u << 13);
}

/* The engine lets IRET enter virtual-8086 mode from any ring, where the processor does so from ring
 * 0 alone (docs/engine-deviations.md). The guest's kernel believes to be there: it got what it
 * wanted, and runs with the IOPL that it asked for until it traps. */
static void absorb_v86_entry(struct cpu_state *guest, const struct cpu_state *real)
{
    guest->eflags = real->eflags;
    guest->cpl = 3;
    memcpy(guest->seg, real->seg, sizeof guest->seg);
}

/* What is not the guest's own in guest mode cannot change without an exit. */
static void absorb_assisted(struct vcpu *v)
{
    const struct cpu_state guest = v->state;
    v->state = v->cpu->state;
    if (v->assist == VCPU_NESTED)
        return;
    v->state.cr0 = guest.cr0;
    v->state.cr3 = guest.cr3;
    v->state.cr4 = guest.cr4;
}

void vcpu_absorb(struct vcpu *v)
{
    const struct cpu_state *real = &v->cpu->state;
    struct cpu_state *guest = &v->state;
    if (v->assist != VCPU_COMPRESSED) {
        absorb_assisted(v);
        return;
    }
    if ((real->eflags & X86_VM) && !stands_in_v86(guest))
        absorb_v86_entry(guest, real);
    memcpy(guest->gpr, real->gpr, sizeof guest->gpr);
    guest->eip = real->eip;
    guest->eflags = vcpu_has_flags(guest)
                        ? real->eflags
                        : (real->eflags & ~VIRTUAL_FLAGS) | (guest->eflags & VIRTUAL_FLAGS);
    guest->interrupt_shadow = real->interrupt_shadow;
    if (!memcmp(real->seg, v->real, sizeof v->real))
        return;
    for (unsigned i = 0; i < X86_SREGS; i++)
        if (memcmp(&real->seg[i], &v->real[i], sizeof real->seg[i])) {
            absorb_segment(v, i, &real->seg[i]);
            v->real[i] = real->seg[i];
        }
}

/* ---- the allocator's part ---- */

static void flush(struct vcpu *v, unsigned what)
{
    /* A translation that only gained rights is looked up again before the processor refuses. */
    if (what & SHADOW_FLUSH_ALL)
        cpu_flush_tlb(v->cpu);
}

void vcpu_switch_space(struct vcpu *v)
{
    if (v->assist == VCPU_NESTED) {
        cpu_flush_tlb(v->cpu); /* a write of the CR3 that is there already, say */
        return;
    }
    int what = shadow_switch(v->shadow, &v->state, &v->root);
    assert(what >= 0); /* a pool that vcpu_init accepted holds one table at least */
    if (v->assist == VCPU_COMPRESSED)
        what |= (int)descriptors_check(&v->tables, v->shadow, &v->state, &v->quiet);
    flush(v, (unsigned)what);
    cpu_flush(v->cpu);
}

void vcpu_invalidate(struct vcpu *v, uint32_t linear)
{
    if (v->assist == VCPU_NESTED) {
        cpu_flush_tlb(v->cpu); /* the engine cannot drop a page alone */
        return;
    }
    vcpu_settle(v);
    flush(v, shadow_invlpg(v->shadow, linear));
}

void vcpu_switch_tables(struct vcpu *v)
{
    const struct cpu_state *guest = &v->state;
    if (v->assist != VCPU_COMPRESSED)
        return;
    const struct shadow_descriptor_table *gdt = &v->tables.table[DESCRIPTORS_GDT],
                                         *ldt = &v->tables.table[DESCRIPTORS_LDT];
    bool real_mode = !(guest->cr0 & X86_CR0_PE), null = x86_selector_null(guest->ldtr.selector);
    uint32_t gdt_size = real_mode ? 0 : guest->gdtr.limit + 1u;
    uint32_t ldt_size = real_mode || null ? 0 : guest->ldtr.limit + 1;
    unsigned what = 0;
    if (gdt->base != guest->gdtr.base || gdt->size != gdt_size)
        what |= descriptors_load(&v->tables, v->shadow, DESCRIPTORS_GDT, guest, &v->quiet,
                                 guest->gdtr.base, gdt_size);
    if (ldt->base != guest->ldtr.base || ldt->size != ldt_size)
        what |= descriptors_load(&v->tables, v->shadow, DESCRIPTORS_LDT, guest, &v->quiet,
                                 guest->ldtr.base, ldt_size);
    flush(v, what);
}

bool vcpu_recall_tables(struct vcpu *v)
{
    unsigned what;
    bool any = v->lets_go && descriptors_recall(&v->tables, v->shadow, &v->state, &v->quiet, &what);
    if (any)
        flush(v, what);
    return any;
}

void vcpu_reset(struct vcpu *v)
{
    vcpu_settle(v);
    vcpu_switch_space(v);
    vcpu_switch_tables(v);
    vcpu_project(v);
    cpu_flush_tlb(v->cpu);
}

/* ---- guest memory, and writes to what is traced ---- */

/* A word of a traced page has changed. Where an entry only gained A or D, as the processor sets
 * them, nothing is allowed less than before. What the shadow took back the processor may have in
 * its TLB until the guest invalidates it. Whether it is in a descriptor table. */
static bool wrote(struct vcpu *v, uint32_t guest, uint32_t old, uint32_t new)
{
    const uint32_t marks = X86_PTE_A | X86_PTE_D;
    if ((old & ~new) || ((old ^ new) & ~marks))
        shadow_written(v->shadow, guest, sizeof new);
    if (v->watch)
        v->watch(v->watch_context, guest, sizeof new);
    return v->assist == VCPU_COMPRESSED &&
           descriptors_written(&v->tables, v->map, guest, sizeof new);
}

static bool compare_line(struct vcpu *v, uint32_t guest, const uint8_t *before,
                         const uint8_t *after, uint32_t line, uint32_t size)
{
    bool descriptor = false;
    for (uint32_t at = line; at < line + size; at += 4) {
        uint32_t old, new;
        memcpy(&old, before + at, sizeof old);
        memcpy(&new, after + at, sizeof new);
        if (old != new)
            descriptor |= wrote(v, guest + at, old, new);
    }
    return descriptor;
}

bool vcpu_peek_stack(const struct vcpu *v, uint32_t skip, uint32_t *value)
{
    const struct cpu_state *guest = &v->state;
    uint32_t mask = guest->seg[X86_SS].attributes & X86_SEG_DB ? UINT32_MAX : 0xffff;
    uint32_t linear = guest->seg[X86_SS].base + ((guest->gpr[X86_ESP] + skip) & mask);
    return x86_peek(guest, &v->quiet, linear, value, sizeof *value) == sizeof *value;
}

/* Returns whether anything was changed. */
static bool compare(struct vcpu *v, uint32_t guest, const uint8_t *before)
{
    enum { PART = 512, LINE = 64 };
    bool changed = false, descriptor = false;
    const uint8_t *after = frame_map_page(v->map, guest);
    for (uint32_t part = 0; part < MEMORY_FRAME_SIZE; part += PART) {
        if (!memcmp(before + part, after + part, PART))
            continue;
        changed = true;
        for (uint32_t line = part; line < part + PART; line += LINE)
            if (memcmp(before + line, after + line, LINE))
                descriptor |= compare_line(v, guest, before, after, line, LINE);
    }
    if (v->lets_go && !descriptor && v->state.cpl == 0)
        descriptors_strayed(&v->tables, v->shadow, guest);
    if (changed && v->assist == VCPU_COMPRESSED)
        flush(v, descriptors_check(&v->tables, v->shadow, &v->state, &v->quiet));
    return changed;
}

void vcpu_settle(struct vcpu *v)
{
    if (v->written == FRAMES_NONE)
        return;
    uint32_t guest = v->written;
    v->written = FRAMES_NONE;
    compare(v, guest, v->before);
}

static uint8_t *quiet_page(void *context, uint32_t physical, bool write)
{
    static uint8_t zeros[MEMORY_FRAME_SIZE]; /* only to be read */
    struct vcpu *v = context;
    if (frame_map_unbacked(v->map, physical)) {
        if (!write)
            return zeros;
        frame_map_back(v->map, physical);
    }
    uint32_t machine = frame_map_machine(v->map, physical);
    if (machine == FRAMES_NONE) {
        memset(v->nowhere, 0xff, sizeof v->nowhere); /* what is written there is lost */
        return v->nowhere;
    }
    if (write)
        cpu_written(v->cpu, machine >> MEMORY_FRAME_SHIFT);
    return memory_frame(v->map->pool->memory, machine);
}

/* A pointer is good until the next call: so one page at a time is being written. */
static uint8_t *noticed_page(void *context, uint32_t physical, bool write)
{
    struct vcpu *v = context;
    vcpu_settle(v);
    uint8_t *page = quiet_page(context, physical, write);
    if (write && page != v->nowhere && shadow_traced(v->shadow, physical)) {
        v->traced_writes++;
        v->written = physical & X86_PAGE_MASK;
        memcpy(v->before, page, sizeof v->before);
    }
    return page;
}

bool vcpu_open(struct vcpu *v, uint32_t linear, uint32_t guest)
{
    linear &= X86_PAGE_MASK;
    unsigned i = 0;
    while (i < v->opened && v->open[i].linear != linear)
        i++;
    if (i == VCPU_OPEN)
        return false;
    flush(v, shadow_open(v->shadow, linear, true));
    if (i < v->opened)
        return true; /* open before, but evicted since */
    v->open[v->opened].linear = linear;
    v->open[v->opened].guest = guest & X86_PAGE_MASK;
    memcpy(v->open[v->opened].before, frame_map_page(v->map, guest), MEMORY_FRAME_SIZE);
    v->opened++;
    return true;
}

void vcpu_close(struct vcpu *v)
{
    unsigned opened = v->opened;
    v->opened = 0;
    for (unsigned i = 0; i < opened; i++)
        flush(v, shadow_open(v->shadow, v->open[i].linear, false));
    /* A write that changes nothing is one all the same: who clears a page that is clear uses it no
     * longer as a table. */
    for (unsigned i = 0; i < opened; i++)
        if (!compare(v, v->open[i].guest, v->open[i].before))
            flush(v, shadow_written(v->shadow, v->open[i].guest, sizeof(uint32_t)));
}

/* ---- life ---- */

static bool init_compressed(struct vcpu *v, uint32_t tables)
{
    if (!descriptors_init(&v->tables, v->map->pool))
        return false;
    v->shadow =
        shadow_create(v->map, tables, MEMORY_MAXIMUM, descriptors_slot_entry(&v->tables), VMM_SLOT);
    if (v->shadow)
        return true;
    descriptors_destroy(&v->tables);
    return false;
}

bool vcpu_init(struct vcpu *v, struct cpu *cpu, const struct frame_map *map, uint32_t tables,
               enum vcpu_assist assist)
{
    memset(v, 0, sizeof *v);
    v->assist = assist;
    v->cpu = cpu;
    v->map = map;
    v->written = FRAMES_NONE;
    v->memory = (struct x86_memory){v, noticed_page};
    v->quiet = (struct x86_memory){v, quiet_page};
    interpreter_init(&v->interpreter);
    switch (assist) {
    case VCPU_COMPRESSED: return init_compressed(v, tables);
    case VCPU_NESTED: v->memory = v->quiet; return true;
    default: v->shadow = shadow_create(map, tables, MEMORY_MAXIMUM, 0, 0); return v->shadow != 0;
    }
}

void vcpu_destroy(struct vcpu *v)
{
    if (!v->shadow)
        return;
    shadow_destroy(v->shadow);
    if (v->assist == VCPU_COMPRESSED)
        descriptors_destroy(&v->tables);
    v->shadow = 0;
}
