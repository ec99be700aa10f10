/* Translations follow the guest's code. Two things can make one untrue: its bytes are written, or
 * its linear page comes to show other bytes. A unit knows the *views* that it was made from: a
 * linear page, and the guest-physical page that it shows. Writes are heard of because the latter is
 * traced as long as there is a unit; a change of mapping counts when the guest makes it so (a MOV
 * to CR3, an INVLPG), as it does for the processor's own TLB (SDM volume 3, section 4.10.4).
 *
 * A page that loses translations again and again is not worth translating: its code is interpreted
 * for a while, and the page is not traced. */
#include <string.h>

#include "arch/x86/walk.h"
#include "unit.h"

/* Losses within CALM cycles before a page is banned, and for how long. */
enum { HEAT_LIMIT = 32, CALM = 1000000, BAN = 2000000 };

/* Faults of one instruction before it is called out for; after each time that this was in vain,
 * more, up to a limit. And how much faults can count in advance. */
enum { FAULTS = 16, FAULTS_GROWTH = 4, FAULTS_MOST = 4096, CREDIT = 64 };

static uint32_t region_of(uint32_t linear)
{
    return linear >> 22;
}

static struct origin *origin_of(struct translator *t, uint32_t physical)
{
    return &t->origin[physical / X86_PAGE_SIZE];
}

/* ---- requests ---- */

static void ask(struct translator *t, struct origin *o)
{
    o->asked = o->views != 0;
    if (o->queued)
        return;
    o->queued = true;
    o->next = t->requests;
    t->requests = (uint32_t)(o - t->origin) + 1;
}

bool translator_request(struct translator *t, uint32_t *guest, bool *on)
{
    while (t->requests) {
        uint32_t page = t->requests - 1;
        struct origin *o = &t->origin[page];
        t->requests = o->next;
        o->queued = false;
        if (o->asked == o->traced)
            continue;
        o->traced = o->asked;
        *guest = page * X86_PAGE_SIZE;
        *on = o->traced;
        return true;
    }
    return false;
}

/* ---- views ---- */

static uint32_t find_view(const struct translator *t, uint32_t linear, uint32_t physical)
{
    uint32_t view = t->origin[physical / X86_PAGE_SIZE].views;
    while (view && t->view[view].linear != linear)
        view = t->view[view].next_physical;
    return view;
}

static uint32_t make_view(struct translator *t, uint32_t linear, uint32_t physical)
{
    uint32_t view = t->free_view;
    if (view)
        t->free_view = t->view[view].next_linear;
    else if (t->views < t->view_room)
        view = t->views++;
    else
        return 0;
    struct origin *o = origin_of(t, physical);
    uint32_t *region = &t->region[region_of(linear)];
    t->view[view] = (struct view){
        .linear = linear, .physical = physical, .next_linear = *region, .next_physical = o->views};
    *region = o->views = view;
    t->region_pde[region_of(linear)] = 0;
    ask(t, o);
    return view;
}

/* A view without units is let go of. */
static void drop_view(struct translator *t, uint32_t view)
{
    struct origin *o = origin_of(t, t->view[view].physical);
    uint32_t *link = &t->region[region_of(t->view[view].linear)];
    while (*link != view)
        link = &t->view[*link].next_linear;
    *link = t->view[view].next_linear;
    link = &o->views;
    while (*link != view)
        link = &t->view[*link].next_physical;
    *link = t->view[view].next_physical;
    t->view[view].next_linear = t->free_view;
    t->free_view = view;
    ask(t, o);
}

bool consistency_note(struct translator *t, uint32_t number, const uint32_t linear[2],
                      const uint32_t physical[2])
{
    struct unit *unit = &t->unit[number];
    uint32_t views[2] = {0, 0};
    for (unsigned i = 0; i < 2 && linear[i] != UNIT_NO_PAGE; i++) {
        views[i] = find_view(t, linear[i], physical[i]);
        if (!views[i])
            views[i] = make_view(t, linear[i], physical[i]);
        if (!views[i]) {
            if (i && !t->view[views[0]].units)
                drop_view(t, views[0]);
            return false;
        }
    }
    for (unsigned i = 0; i < 2 && views[i]; i++) {
        unit->page[i].view = views[i];
        unit->page[i].next = t->view[views[i]].units;
        t->view[views[i]].units = number;
    }
    return true;
}

/* ---- death ---- */

static uint32_t *next_of(struct unit *unit, uint32_t view)
{
    return unit->page[0].view == view ? &unit->page[0].next : &unit->page[1].next;
}

static void leave_view(struct translator *t, uint32_t number, uint32_t view)
{
    uint32_t *link = &t->view[view].units;
    while (*link != number)
        link = next_of(&t->unit[*link], view);
    *link = *next_of(&t->unit[number], view);
    if (!t->view[view].units)
        drop_view(t, view);
}

static void kill(struct translator *t, uint32_t number)
{
    struct unit *unit = &t->unit[number];
    lookup_remove(t, number);
    for (unsigned i = 0; i < 2 && unit->page[i].view; i++)
        leave_view(t, number, unit->page[i].view);
    link_kill(t, number);
    t->statistics.killed++;
    t->statistics.live--;
}

/* The views of a page, and the units of a view, are looked up anew after each death: it may have
 * been the last. */
static void kill_view(struct translator *t, uint32_t view)
{
    uint32_t linear = t->view[view].linear, physical = t->view[view].physical;
    while ((view = find_view(t, linear, physical)))
        kill(t, t->view[view].units);
}

static void kill_page(struct translator *t, const struct origin *o)
{
    while (o->views)
        kill_view(t, o->views);
}

/* ---- writes ---- */

/* Whether writing bytes [first, last] of the page that the unit's view `view` shows is its end. */
static bool is_stale(const struct translator *t, const struct unit *unit, uint32_t view,
                     uint32_t first, uint32_t last)
{
    const struct vmm_unit shown = {.linear = unit->eip,
                                   .length = unit->guest_size,
                                   .cache = t->base + unit->place,
                                   .size = unit->size,
                                   .live = true,
                                   .landing = unit->entry != 0,
                                   .exits = unit->exit_count};
    uint32_t page = unit->eip & X86_PAGE_MASK;
    if (view != unit->page[0].view)
        page += X86_PAGE_SIZE;
    return t->policy->stale(t->policy->context, &shown, page + first, last - first + 1);
}

static uint32_t find_overlap(struct translator *t, const struct origin *o, uint32_t first,
                             uint32_t last)
{
    for (uint32_t view = o->views; view; view = t->view[view].next_physical)
        for (uint32_t unit = t->view[view].units; unit; unit = *next_of(&t->unit[unit], view))
            if (is_stale(t, &t->unit[unit], view, first, last))
                return unit;
    return 0;
}

static void heat(struct translator *t, struct origin *o, uint64_t time)
{
    if (time - o->since > CALM) {
        o->since = time;
        o->heat = 0;
    }
    if (++o->heat < HEAT_LIMIT)
        return;
    o->heat = 0;
    o->until = time + BAN;
    t->statistics.bans++;
    kill_page(t, o);
}

void translator_written(struct translator *t, uint32_t guest, uint32_t count, uint64_t time)
{
    uint32_t first = guest & ~X86_PAGE_MASK, unit;
    if (guest / X86_PAGE_SIZE >= t->guest_pages)
        return;
    struct origin *o = origin_of(t, guest);
    if (!o->views)
        return;
    while ((unit = find_overlap(t, o, first, first + count - 1)))
        kill(t, unit);
    heat(t, o, time);
}

bool consistency_allows(const struct translator *t, uint32_t physical, uint64_t time)
{
    uint32_t page = physical / X86_PAGE_SIZE;
    return page < t->guest_pages && time >= t->origin[page].until;
}

/* ---- where the guest stops ---- */

static uint32_t find_unit_with(const struct translator *t, uint32_t eip)
{
    for (uint32_t view = t->region[region_of(eip)]; view; view = t->view[view].next_linear)
        for (uint32_t unit = t->view[view].units; unit; unit = *next_of(&t->unit[unit], view))
            if (eip - t->unit[unit].eip < t->unit[unit].guest_size)
                return unit;
    return 0;
}

void translator_stop(struct translator *t, uint32_t eip)
{
    uint32_t unit;
    while ((unit = find_unit_with(t, eip)))
        kill(t, unit);
}

/* ---- stores that fault ---- */

static uint32_t faulting_slot(uint32_t eip)
{
    return eip * 2654435761u >> 24 & (UNIT_FAULTING - 1);
}

bool consistency_calls_out(const struct translator *t, uint32_t eip)
{
    const struct faulting *f = &t->faulting[faulting_slot(eip)];
    return f->eip == eip && f->called_out;
}

/* The cache may have been emptied since the unit was left. */
static void kill_at(struct translator *t, const struct translator_where *where)
{
    const struct unit *unit = &t->unit[where->unit];
    if (where->unit < t->units && !unit->dead && where->eip - unit->eip < unit->guest_size)
        kill(t, where->unit);
}

void translator_faulted(struct translator *t, const struct translator_where *where)
{
    struct faulting *f = &t->faulting[faulting_slot(where->eip)];
    if (f->eip != where->eip)
        *f = (struct faulting){.eip = where->eip, .threshold = FAULTS};
    if (!f->called_out && ++f->balance < f->threshold)
        return;
    f->called_out = true;
    f->balance = FAULTS;
    kill_at(t, where);
}

void translator_spared(struct translator *t, const struct translator_where *where, bool traced)
{
    struct faulting *f = &t->faulting[faulting_slot(where->eip)];
    if (f->eip != where->eip || !f->called_out)
        kill_at(t, where); /* forgotten for another one */
    else if (traced)
        f->balance += f->balance < CREDIT;
    else if (--f->balance < 0) {
        f->called_out = false;
        f->balance = 0;
        f->threshold *= f->threshold < FAULTS_MOST ? FAULTS_GROWTH : 1;
        kill_at(t, where);
    }
}

/* ---- mappings ---- */

static uint32_t read_entry(const struct x86_memory *memory, uint32_t physical)
{
    uint32_t entry = 0;
    return x86_read_physical(memory, physical, &entry, sizeof entry) == X86_OK ? entry : 0;
}

/* The physical page that `linear` shows now, below the directory entry `pde`. */
static uint32_t shown(const struct x86_memory *memory, uint32_t pde, bool large, uint32_t linear)
{
    if (!(pde & X86_PTE_P))
        return UNIT_NO_PAGE;
    if (large)
        return pde & X86_PDE_LARGE_RESERVED
                   ? UNIT_NO_PAGE
                   : (pde & X86_PDE_LARGE_BASE) | (linear & X86_LARGE_OFFSET);
    uint32_t pte = read_entry(memory, (pde & X86_PAGE_MASK) + (linear >> 12 & 1023) * 4);
    return pte & X86_PTE_P ? pte & X86_PAGE_MASK : UNIT_NO_PAGE;
}

static void verify_region(struct translator *t, const struct cpu_state *state,
                          const struct x86_memory *memory, uint32_t region)
{
    bool paging = x86_paging(state), pse = state->cr4 & X86_CR4_PSE;
    uint32_t pde = paging ? read_entry(memory, (state->cr3 & X86_PAGE_MASK) + region * 4)
                          : region << 22 | X86_PTE_PS | X86_PTE_P;
    bool large = !paging || (pse && (pde & X86_PTE_PS));
    const uint32_t marks = X86_PTE_A | X86_PTE_D;
    uint32_t seen = large ? (pde & ~marks) | X86_PTE_PS : 0; /* tables are looked at each time */
    if (seen && seen == t->region_pde[region])
        return;
    for (uint32_t view = t->region[region]; view;) {
        uint32_t next = t->view[view].next_linear;
        if (shown(memory, pde, large, t->view[view].linear) != t->view[view].physical) {
            kill_view(t, view);
            next = t->region[region]; /* the death of units of two pages may drop other views */
        }
        view = next;
    }
    t->region_pde[region] = seen;
}

void translator_verify(struct translator *t, const struct cpu_state *state,
                       const struct x86_memory *memory, bool all, uint32_t linear)
{
    enum { REGIONS = sizeof t->region / sizeof *t->region };
    if (!all) {
        if (t->region[region_of(linear)])
            verify_region(t, state, memory, region_of(linear));
        return;
    }
    for (uint32_t region = 0; region < REGIONS; region++)
        if (t->region[region])
            verify_region(t, state, memory, region);
}

/* ---- life ---- */

void consistency_clear(struct translator *t)
{
    for (uint32_t view = 1; view < t->views; view++) {
        struct origin *o = origin_of(t, t->view[view].physical);
        o->views = 0;
        ask(t, o);
    }
    memset(t->region, 0, sizeof t->region);
    memset(t->region_pde, 0, sizeof t->region_pde);
    t->views = 1;
    t->free_view = 0;
}
