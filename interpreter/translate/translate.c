/* Making units: from the guest's bytes to a draft, from the draft to the cache. See translate.h. */
#include "translate.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/walk.h"
#include "unit.h"

/* The bytes at a unit's start, from one page or two. */
struct source {
    const struct cpu_state *state;
    const struct x86_memory *memory;
    uint32_t linear[2], physical[2]; /* of the pages; UNIT_NO_PAGE: not (yet) looked at */
    uint8_t bytes[UNIT_INSTRUCTIONS * X86_INSN_MAX + X86_INSN_MAX];
    unsigned count;
};

/* ---- reading ---- */

/* Takes what is wanted of the page at linear address `at`, into `source`. */
static bool read_page(struct source *s, unsigned index, uint32_t at, unsigned limit)
{
    struct x86_event fault;
    struct x86_walk walk;
    if (x86_walk(s->state, s->memory, at, X86_ACCESS_FETCH | X86_ACCESS_MARK, &walk, &fault) !=
        X86_OK)
        return false;
    const uint8_t *page = s->memory->page(s->memory->context, walk.physical, false);
    if (!page)
        return false;
    unsigned offset = walk.physical & ~X86_PAGE_MASK, count = X86_PAGE_SIZE - offset;
    if (count > limit)
        count = limit;
    memcpy(s->bytes + s->count, page + offset, count);
    s->count += count;
    s->linear[index] = at & X86_PAGE_MASK;
    s->physical[index] = walk.physical & X86_PAGE_MASK;
    return true;
}

/* The instruction at `offset`. One that goes on in a second page has that read, too; false if it is
 * not there. */
static bool next_instruction(struct source *s, uint32_t eip, unsigned offset,
                             struct x86_instruction *insn)
{
    if (offset < s->count && x86_decode(s->bytes + offset, s->count - offset, true, insn))
        return true;
    uint32_t second = eip + s->count;
    if (s->linear[1] != UNIT_NO_PAGE || (second & ~X86_PAGE_MASK) ||
        !read_page(s, 1, second, X86_INSN_MAX))
        return false;
    return x86_decode(s->bytes + offset, s->count - offset, true, insn) != 0;
}

/* ---- drafting ---- */

static bool holds_interrupts(const struct x86_instruction *insn)
{
    return insn->kind == X86_KIND_STI;
}

static void count_treatment(struct vmm_translation *s, enum vmm_treatment treatment)
{
    switch (treatment) {
    case VMM_TREATED_IDENTICAL: s->identical++; break;
    case VMM_TREATED_INLINE: s->inlined++; break;
    case VMM_TREATED_BRANCH: s->branches++; break;
    case VMM_TREATED_INDIRECT: s->indirect++; break;
    case VMM_TREATED_CALL_OUT: s->call_outs++; break;
    }
}

/* What `ops` says of the instructions, as far as there is room. One that cannot be read is called
 * out for: the interpreter finds out why. */
static void draft_unit(struct translator *t, struct draft *d, struct source *s,
                       const struct vmm_op *ops, unsigned count)
{
    bool shadowed = false;
    for (unsigned i = 0; !d->ends; i++) {
        struct x86_instruction insn;
        bool second = s->linear[1] != UNIT_NO_PAGE; /* entered by the instruction before */
        if (i == count || second || d->length + UNIT_ROOM > UNIT_BYTES ||
            consistency_stops(t, d->eip + d->guest)) {
            emit_continue(d);
            break;
        }
        bool there = next_instruction(s, d->eip, d->guest, &insn);
        if (!there)
            insn = (struct x86_instruction){.kind = X86_KIND_OTHER};
        d->bytes = s->bytes + d->guest;
        enum vmm_treatment treatment = VMM_TREATED_CALL_OUT;
        if (consistency_calls_out(t, d->eip + d->guest))
            emit_traced(d, &insn);
        else
            treatment = emit_op(d, &insn, &ops[i], shadowed);
        if (there)
            count_treatment(&t->statistics, treatment);
        shadowed = holds_interrupts(&insn);
        d->guest += insn.length;
    }
    emit_stubs(d);
    while (d->length < d->entry + UNIT_LEAST)
        d->code[d->length++] = TRAP;
}

/* ---- for who plans ---- */

struct translator_code {
    struct source source;
    uint32_t eip;
};

uint32_t translator_code_begin(const struct translator_code *code)
{
    return code->eip;
}

bool translator_code_at(const struct translator_code *code, uint32_t address,
                        struct x86_instruction *insn, uint8_t bytes[X86_INSN_MAX])
{
    struct source source = code->source; /* what is looked at need not become part of the unit */
    uint32_t offset = address - code->eip;
    if (offset >= source.count || !next_instruction(&source, code->eip, offset, insn))
        return false;
    memcpy(bytes, source.bytes + offset, insn->length);
    return true;
}

static unsigned plan(const struct translator *t, const struct source *source, uint32_t eip,
                     struct vmm_op ops[VMM_UNIT_OPS])
{
    const struct translator_code code = {*source, eip};
    return t->policy ? t->policy->plan(t->policy->context, t, &code, ops) : 0;
}

/* ---- placing ---- */

static bool has_room(const struct translator *t, const struct draft *d)
{
    uint32_t exits = chained_by_others(t) && t->exit_room > VMM_EXITS ? VMM_EXITS : t->exit_room;
    return t->units < t->unit_room && t->marks + d->marks <= t->mark_room &&
           t->exits + d->exits <= exits;
}

/* Puts a draft into the cache, without a way to it. 0: there is no room. */
static uint32_t place_draft(struct translator *t, const struct draft *d)
{
    uint32_t place;
    if (!has_room(t, d) || !space_take(t, d->length, &place))
        return 0;
    t->unit[t->units] = (struct unit){.eip = d->eip,
                                      .place = place,
                                      .size = (uint16_t)d->length,
                                      .guest_size = (uint16_t)d->guest,
                                      .entry = (uint16_t)d->entry,
                                      .mark_count = (uint16_t)d->marks,
                                      .exit_count = (uint16_t)d->exits,
                                      .mark = t->marks,
                                      .exit = t->exits};
    memcpy(&t->mark[t->marks], d->mark, d->marks * sizeof *d->mark);
    memcpy(&t->exit[t->exits], d->exit, d->exits * sizeof *d->exit);
    memcpy(space_host(t, place), d->code, d->length);
    t->marks += d->marks;
    t->exits += d->exits;
    return t->units++;
}

static uint32_t place_unit(struct translator *t, const struct draft *d, const struct source *s)
{
    uint32_t number = place_draft(t, d);
    if (!number || !consistency_note(t, number, s->linear, s->physical))
        return 0;
    lookup_insert(t, number);
    link_new(t, number);
    t->statistics.units++;
    t->statistics.live++;
    t->statistics.guest_bytes += d->guest;
    t->statistics.cache_bytes += d->length;
    return number;
}

static uint32_t make(struct translator *t, const struct cpu_state *state,
                     const struct x86_memory *memory, uint32_t eip, uint64_t time, bool landing)
{
    struct source source = {.state = state,
                            .memory = memory,
                            .linear = {UNIT_NO_PAGE, UNIT_NO_PAGE},
                            .physical = {UNIT_NO_PAGE, UNIT_NO_PAGE}};
    struct draft draft = {.t = t, .eip = eip};
    struct vmm_op ops[VMM_UNIT_OPS];
    if (consistency_stops(t, eip) ||
        !read_page(&source, 0, eip, UNIT_INSTRUCTIONS * X86_INSN_MAX) ||
        !consistency_allows(t, source.physical[0], time))
        return 0;
    unsigned count = plan(t, &source, eip, ops);
    if (!count)
        return 0;
    if (landing)
        emit_landing(&draft);
    draft_unit(t, &draft, &source, ops, count);
    if (source.linear[1] != UNIT_NO_PAGE && !consistency_allows(t, source.physical[1], time))
        return 0;
    uint32_t number = place_unit(t, &draft, &source);
    if (number)
        return number;
    translator_flush(t, t->base);
    return place_unit(t, &draft, &source);
}

uint32_t translator_unit(struct translator *t, const struct cpu_state *state,
                         const struct x86_memory *memory, uint32_t eip, uint64_t time)
{
    uint32_t number = lookup_find(t, eip);
    t->statistics.lookups++;
    t->statistics.hits += number != 0;
    if (!number)
        number = make(t, state, memory, eip, time, false);
    return number ? t->base + t->unit[number].place + t->unit[number].entry : 0;
}

/* A unit without a landing stays for those that are chained to it. */
uint32_t translator_landing(struct translator *t, const struct cpu_state *state,
                            const struct x86_memory *memory, uint32_t eip, uint64_t time)
{
    uint32_t number = lookup_find(t, eip);
    t->statistics.lookups++;
    t->statistics.hits += number != 0;
    if (!number || !t->unit[number].entry)
        number = make(t, state, memory, eip, time, true);
    if (!number)
        return 0;
    link_land(t, number);
    return t->base + t->unit[number].place;
}

/* ---- where the guest is ---- */

/* The mark that holds at offset `at` of a unit. */
static const struct mark *mark_at(const struct translator *t, const struct unit *unit, uint32_t at)
{
    const struct mark *marks = &t->mark[unit->mark];
    unsigned low = 0, high = unit->mark_count;
    while (high - low > 1) {
        unsigned middle = low + (high - low) / 2;
        if (marks[middle].at <= at)
            low = middle;
        else
            high = middle;
    }
    return &marks[low];
}

static void at_branch(const struct translator *t, const struct unit *unit, const struct mark *mark,
                      struct translator_where *where)
{
    for (unsigned i = 0; i < unit->exit_count; i++) {
        const struct exit *exit = &t->exit[unit->exit + i];
        if (exit->at != mark->at)
            continue;
        where->target = exit->target;
        where->index = i;
        if (!mark->retires)
            where->eip = exit->target;
    }
}

bool translator_where(const struct translator *t, uint32_t pc, struct translator_where *where)
{
    uint32_t number = lookup_place(t, pc - t->base);
    if (!number)
        return false;
    const struct unit *unit = &t->unit[number];
    uint32_t at = pc - t->base - unit->place;
    const struct mark *mark = mark_at(t, unit, at);
    *where = (struct translator_where){.eip = unit->eip + mark->guest,
                                       .borrow = mark->borrow,
                                       .stack = mark->stack,
                                       .unit = number};
    if (mark->lands) {
        memcpy(&where->target, t->space.words + offsetof(struct translator_words, target),
               sizeof where->target);
        where->eip = where->target;
    }
    if (unit->barred && at == unit->entry) {
        where->exit = TRANSLATOR_DEAD;
        where->eip = where->target = unit->eip;
        where->borrow = 0;
        where->stack = 0;
        return true;
    }
    if (mark->exit && at == mark->at) {
        where->exit = mark->exit;
        where->kind = mark->kind;
        if (mark->exit == TRANSLATOR_BRANCH)
            at_branch(t, unit, mark, where);
    }
    return true;
}

unsigned translator_retires(const struct translator *t, uint32_t pc, uint32_t size)
{
    uint32_t number = lookup_place(t, pc - t->base);
    if (!number)
        return TRANSLATOR_NOT_MADE;
    const struct unit *unit = &t->unit[number];
    const struct mark *marks = &t->mark[unit->mark];
    uint32_t at = pc - t->base - unit->place;
    unsigned count = 0;
    for (unsigned i = 0; i < unit->mark_count; i++) {
        bool gone = unit->barred && (unsigned)(marks[i].at - unit->entry) < UNIT_LEAST;
        count += marks[i].retires && !gone && marks[i].at >= at && marks[i].at - at < size;
    }
    return count;
}

/* ---- life ---- */

static void make_popf_table(const struct translator *t)
{
    const uint32_t never_mapped = 2 * X86_PAGE_SIZE;
    struct translator_state *state = (void *)t->space.state;
    for (uint32_t byte = 0; byte < 256; byte++)
        state->popf[byte] = (byte << 8) & (X86_TF | X86_IOPL) ? never_mapped : 0;
}

void translator_flush(struct translator *t, uint32_t base)
{
    if (t->units > 1)
        t->statistics.flushes++;
    for (uint32_t page = 0; page <= t->page && page < t->space.pages; page++)
        t->client.remade(t->client.context, t->space.offset[page], X86_PAGE_SIZE);
    lookup_clear(t);
    consistency_clear(t);
    t->base = base;
    t->units = 1;
    t->marks = t->exits = 0;
    t->page = t->used = 0;
    t->places = 0;
    t->statistics.live = 0;
    struct draft draft = {.t = t};
    emit_miss(&draft);
    t->miss = place_draft(t, &draft);
    link_forget(t);
    make_popf_table(t);
    if (t->policy && t->policy->flushed)
        t->policy->flushed(t->policy->context);
    t->client.flushed(t->client.context);
}

void translator_set_policy(struct translator *t, const struct translator_policy *policy)
{
    t->policy = policy;
    translator_flush(t, t->base);
}

const struct translator_policy *translator_policy(const struct translator *t)
{
    return t->policy;
}

struct vmm_translation translator_statistics(const struct translator *t)
{
    struct vmm_translation s = t->statistics;
    s.cache_size = t->space.pages * X86_PAGE_SIZE;
    s.cache_used = t->page * X86_PAGE_SIZE + t->used;
    if (s.cache_used > s.cache_size)
        s.cache_used = s.cache_size;
    return s;
}

static void *copy(const void *from, size_t size)
{
    void *to = malloc(size);
    if (to)
        memcpy(to, from, size);
    return to;
}

/* Tables for as much as the cache can hold; the host gives memory for what is used. */
static bool take_memory(struct translator *t, const struct translator_space *space)
{
    enum { BYTES_UNIT = 16, BYTES_MARK = 2, BYTES_EXIT = 8 };
    uint32_t bytes = space->pages * X86_PAGE_SIZE;
    t->unit_room = bytes / BYTES_UNIT;
    t->mark_room = bytes / BYTES_MARK;
    t->exit_room = bytes / BYTES_EXIT;
    t->view_room = t->guest_pages * 2 + 2;
    t->unit = calloc(t->unit_room, sizeof *t->unit);
    t->mark = calloc(t->mark_room, sizeof *t->mark);
    t->exit = calloc(t->exit_room, sizeof *t->exit);
    t->view = calloc(t->view_room, sizeof *t->view);
    t->origin = calloc(t->guest_pages + 1, sizeof *t->origin);
    t->space.host = copy(space->host, space->pages * sizeof *space->host);
    t->space.offset = copy(space->offset, space->pages * sizeof *space->offset);
    t->space.table =
        copy(space->table, TRANSLATOR_TABLE_BYTES / X86_PAGE_SIZE * sizeof *space->table);
    return t->unit && t->mark && t->exit && t->view && t->origin && t->space.host &&
           t->space.offset && t->space.table;
}

struct translator *translator_create(const struct translator_space *space, uint32_t base,
                                     uint32_t guest_pages, const struct interpreter *routines,
                                     const struct translator_client *client,
                                     const struct translator_policy *policy)
{
    struct translator *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->space = *space;
    t->guest_pages = guest_pages;
    t->client = *client;
    t->routines = routines;
    t->policy = policy;
    t->base = base;
    t->units = t->views = 1;
    if (take_memory(t, space)) {
        translator_flush(t, base);
        return t;
    }
    translator_destroy(t);
    return NULL;
}

void translator_destroy(struct translator *t)
{
    if (!t)
        return;
    free(t->unit);
    free(t->mark);
    free(t->exit);
    free(t->view);
    free(t->origin);
    free(t->space.host);
    free(t->space.offset);
    free(t->space.table);
    free(t);
}
