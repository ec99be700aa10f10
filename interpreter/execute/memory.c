/* Operands in memory (SDM volume 3, chapters 4 and 5): the segment's checks, then the page's. An
 * access within one page whose translation is remembered takes neither the walk nor the accessor;
 * all others are arch/x86/walk.c's. Of a read-modify-write the read comes first, with a fault of
 * its own if the page refuses it. */
#include <string.h>

#include "arch/x86/walk.h"
#include "cache_inside.h"

static bool is_user(const struct cpu_state *cpu)
{
    return cpu->cpl == 3;
}

/* The usual case, a writable segment that grows upwards, at once; what is left in full. */
static enum x86_status check_segment(struct execution *x, enum x86_sreg sreg, uint32_t offset,
                                     unsigned size, bool write)
{
    const uint32_t kind = X86_SEG_PRESENT | X86_SEG_S | X86_SEG_CODE | X86_SEG_DC | X86_SEG_RW;
    const uint32_t usual = X86_SEG_PRESENT | X86_SEG_S | X86_SEG_RW;
    const struct x86_segment *segment = &x->cpu->seg[sreg];

    if ((segment->attributes & kind) == usual &&
        (segment->limit == UINT32_MAX ||
         (offset + (size - 1) <= segment->limit && offset + (size - 1) >= offset))) {
        return X86_OK;
    }
    return x86_segment_check(x->cpu, sreg, offset, size, write, &x->fault);
}

static bool in_one_page(uint32_t linear, unsigned size)
{
    return (linear & ~X86_PAGE_MASK) + size <= X86_PAGE_SIZE;
}

/* The place of `linear` for an access within its page, by a walk; remembered, unless it is written
 * and holds code. */
static enum x86_status find_page(struct execution *x, uint32_t linear, bool write, uint8_t **place)
{
    struct interpreter_cache *cache = x->cache;
    bool user = is_user(x->cpu);
    unsigned access =
        X86_ACCESS_MARK | (user ? X86_ACCESS_USER : 0) | (write ? X86_ACCESS_WRITE : 0);
    struct x86_walk walk;
    uint32_t frame;
    uint8_t *host;
    enum x86_status status = x86_walk(x->cpu, x->memory, linear, access, &walk, &x->fault);

    if (status != X86_OK) {
        return status;
    }
    host = x->memory->page(x->memory->context, walk.physical, write);
    if (!host) {
        return X86_NEED_PAGE;
    }
    frame = walk.physical & X86_PAGE_MASK;
    if (frame < cache->size && !(write && cache_has_code(cache, frame))) {
        *cache_slot((write ? cache->write : cache->read)[user], linear, CACHE_PAGES) =
            (struct cache_page){.tag = cache_tag(linear), .physical = frame, .host = host};
    }
    *place = host + (linear & ~X86_PAGE_MASK);
    return X86_OK;
}

static enum x86_status find_place(struct execution *x, uint32_t linear, bool write, uint8_t **place)
{
    struct interpreter_cache *cache = x->cache;
    struct cache_page *page =
        cache_slot((write ? cache->write : cache->read)[is_user(x->cpu)], linear, CACHE_PAGES);

    if (page->tag == cache_tag(linear)) {
        *place = page->host + (linear & ~X86_PAGE_MASK);
        return X86_OK;
    }
    return find_page(x, linear, write, place);
}

static uint32_t get(const uint8_t *place, unsigned size)
{
    uint32_t word;
    uint16_t half;

    switch (size) {
    case 1: return *place;
    case 2: memcpy(&half, place, sizeof half); return half;
    default: memcpy(&word, place, sizeof word); return word;
    }
}

static void put(uint8_t *place, unsigned size, uint32_t value)
{
    switch (size) {
    case 1: *place = (uint8_t)value; break;
    case 2: memcpy(place, &value, 2); break;
    default: memcpy(place, &value, 4); break;
    }
}

enum x86_status execute_load(struct execution *x, enum x86_sreg sreg, uint32_t offset,
                             unsigned size, uint32_t *value)
{
    uint32_t linear = x->cpu->seg[sreg].base + offset;
    enum x86_status status = check_segment(x, sreg, offset, size, false);
    uint8_t *place;

    if (status != X86_OK) {
        return status;
    }
    if (!x->cache || !in_one_page(linear, size)) {
        *value = 0;
        return x86_read(x->cpu, x->memory, linear, value, size, is_user(x->cpu), &x->fault);
    }
    status = find_place(x, linear, false, &place);
    if (status == X86_OK) {
        *value = get(place, size);
    }
    return status;
}

enum x86_status execute_store(struct execution *x, enum x86_sreg sreg, uint32_t offset,
                              unsigned size, uint32_t value)
{
    uint32_t linear = x->cpu->seg[sreg].base + offset;
    enum x86_status status = check_segment(x, sreg, offset, size, true);
    uint8_t *place;

    if (status != X86_OK) {
        return status;
    }
    if (!x->cache || !in_one_page(linear, size)) {
        return x86_write(x->cpu, x->memory, linear, &value, size, is_user(x->cpu), &x->fault);
    }
    status = find_place(x, linear, true, &place);
    if (status == X86_OK) {
        put(place, size, value);
    }
    return status;
}

enum x86_status execute_probe_store(struct execution *x, enum x86_sreg sreg, uint32_t offset,
                                    unsigned size)
{
    enum x86_status status = check_segment(x, sreg, offset, size, true);

    return status == X86_OK ? x86_writable(x->cpu, x->memory, x->cpu->seg[sreg].base + offset, size,
                                           is_user(x->cpu), &x->fault)
                            : status;
}

enum x86_status execute_read(struct execution *x, const struct x86_instruction *insn, unsigned size,
                             uint32_t *value)
{
    if (insn->flags & X86_INSN_MEMORY) {
        return execute_load(x, insn->segment, x86_effective_offset(x->cpu, insn), size, value);
    }
    *value = get_register(x->cpu, insn->rm, size);
    return X86_OK;
}

enum x86_status execute_write(struct execution *x, const struct x86_instruction *insn,
                              unsigned size, uint32_t value)
{
    if (insn->flags & X86_INSN_MEMORY) {
        return execute_store(x, insn->segment, x86_effective_offset(x->cpu, insn), size, value);
    }
    set_register(x->cpu, insn->rm, size, value);
    return X86_OK;
}
