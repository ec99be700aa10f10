/* See nested.h. The tables lie in frames of the VMM; what the processor writes to them are the A
 * and D bits. */
#include "nested.h"

#include <stdlib.h>
#include <string.h>

#include "arch/x86/walk.h"
#include "nested_entry.h"

#define ENTRIES 1024u

const struct nested_policy nested_standard = {.fill = nested_compose};

struct nested {
    const struct frame_map *map;
    uint32_t root;
    uint32_t limit;
    uint32_t nowhere;
    bool log;
    struct nested_policy policy;
    struct nested_statistics statistics;
};

static uint32_t *entry_at(const struct nested *nested, uint32_t table, uint32_t index)
{
    uint32_t *entries = (uint32_t *)(void *)memory_frame(nested->map->pool->memory, table);
    return entries + index;
}

static uint32_t *directory_entry(const struct nested *nested, uint32_t guest)
{
    return entry_at(nested, nested->root, guest >> 22);
}

static uint32_t *table_entry(const struct nested *nested, uint32_t pde, uint32_t guest)
{
    return entry_at(nested, pde & X86_PAGE_MASK, guest >> MEMORY_FRAME_SHIFT & (ENTRIES - 1));
}

static uint32_t take_table(struct nested *nested)
{
    if (nested->statistics.tables == nested->limit)
        return FRAMES_NONE;
    uint32_t machine = frames_take(nested->map->pool);
    nested->statistics.tables += machine != FRAMES_NONE;
    return machine;
}

struct nested *nested_create(const struct frame_map *map, uint32_t limit, uint32_t nowhere)
{
    struct nested *nested = calloc(1, sizeof *nested);
    if (!nested)
        return 0;
    *nested = (struct nested){
        .map = map, .limit = limit, .nowhere = nowhere & X86_PAGE_MASK, .policy = nested_standard};
    nested->root = take_table(nested);
    if (nested->root != FRAMES_NONE)
        return nested;
    free(nested);
    return 0;
}

void nested_destroy(struct nested *nested)
{
    if (!nested)
        return;
    for (uint32_t slot = 0; slot < ENTRIES; slot++) {
        uint32_t pde = *entry_at(nested, nested->root, slot);
        if (pde & X86_PTE_P)
            frames_give_back(nested->map->pool, pde & X86_PAGE_MASK);
    }
    frames_give_back(nested->map->pool, nested->root);
    free(nested);
}

uint32_t nested_root(const struct nested *nested)
{
    return nested->root;
}

void nested_set_policy(struct nested *nested, const struct nested_policy *policy)
{
    nested->policy = policy ? *policy : nested_standard;
}

void nested_log(struct nested *nested, bool log)
{
    nested->log = log;
}

static void give_back_table(struct nested *nested, uint32_t table)
{
    frames_give_back(nested->map->pool, table);
    nested->statistics.tables--;
}

static void make_entries(struct nested *nested, const struct nested_question *question,
                         enum nested_kind kind, const struct nested_answer *answer)
{
    const uint32_t rights = X86_PTE_P | X86_PTE_RW | X86_PTE_US;
    uint32_t *pde = directory_entry(nested, question->guest);
    bool nothing = kind == NESTED_NOTHING;
    if (nothing && !(*pde & X86_PTE_P))
        *pde = question->table | rights;
    else if (!nothing)
        *pde = answer->pde;
    nested->statistics.fills++;
    nested->statistics.nowhere += nothing;
    *table_entry(nested, *pde, question->guest) = nothing ? nested->nowhere | rights : answer->pte;
}

enum nested_end nested_fault(struct nested *nested, uint32_t guest, uint32_t error)
{
    uint32_t pde = *directory_entry(nested, guest);
    struct nested_question question = {
        .guest = guest,
        .error = error,
        .pde = pde,
        .pte = pde & X86_PTE_P ? *table_entry(nested, pde, guest) : 0,
        .table = pde & X86_PTE_P ? FRAMES_NONE : take_table(nested),
        .frame = frame_map_machine(nested->map, guest & X86_PAGE_MASK),
        .log = nested->log,
    };
    struct nested_answer answer = {0};
    nested->statistics.decisions++;
    if (!(pde & X86_PTE_P) && question.table == FRAMES_NONE)
        return NESTED_NO_ROOM;
    enum nested_kind kind = nested->policy.fill
                                ? nested->policy.fill(nested->policy.context, &question, &answer)
                                : NESTED_UNDECIDED;
    if (kind != NESTED_UNDECIDED) {
        make_entries(nested, &question, kind, &answer);
        return NESTED_FILLED;
    }
    if (question.table != FRAMES_NONE)
        give_back_table(nested, question.table);
    return NESTED_REFUSED;
}

void nested_unmap(struct nested *nested, uint32_t guest)
{
    uint32_t pde = *directory_entry(nested, guest);
    nested->statistics.decisions++;
    if (pde & X86_PTE_P)
        *table_entry(nested, pde, guest) = 0;
}

struct nested_statistics nested_statistics(const struct nested *nested)
{
    return nested->statistics;
}

/* ---- to be looked at ---- */

void nested_walk(const struct nested *nested, uint32_t guest, struct nested_walk *walk)
{
    *walk = (struct nested_walk){.levels = 1,
                                 .pde_address = nested->root + 4 * (guest >> 22),
                                 .pde = *directory_entry(nested, guest)};
    if (!(walk->pde & X86_PTE_P))
        return;
    walk->levels = 2;
    walk->pte_address =
        (walk->pde & X86_PAGE_MASK) + 4 * (guest >> MEMORY_FRAME_SHIFT & (ENTRIES - 1));
    walk->pte = *table_entry(nested, walk->pde, guest);
    walk->mapped = walk->pte & X86_PTE_P;
    walk->machine = (walk->pte & X86_PAGE_MASK) | (guest & ~X86_PAGE_MASK);
}

void nested_visit(const struct nested *nested,
                  void (*visit)(void *context, const struct nested_entry *entry), void *context)
{
    for (uint32_t slot = 0; slot < ENTRIES; slot++) {
        uint32_t pde = *entry_at(nested, nested->root, slot);
        if (!(pde & X86_PTE_P))
            continue;
        visit(context, &(struct nested_entry){slot << 22, pde, nested->root, true});
        for (uint32_t i = 0; i < ENTRIES; i++) {
            uint32_t guest = slot << 22 | i << MEMORY_FRAME_SHIFT;
            uint32_t pte = *table_entry(nested, pde, guest);
            if (pte & X86_PTE_P)
                visit(context, &(struct nested_entry){guest, pte, pde & X86_PAGE_MASK, false});
        }
    }
}
