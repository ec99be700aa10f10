/* Chaining: a unit's direct branch, which at first comes to an INT3, is changed into a jump to the
 * unit of its target (VMware's chaining, Dynamo's linking).
 *
 * Nobody keeps a list of the branches that lead to a unit. When it dies, its own entry becomes an
 * INT3; who comes there is looked up, and the entry becomes a jump to the unit that took its place.
 * Thus branches to code that was modified cost one jump more, until the cache is flushed. A policy
 * that chains by itself keeps such a list, and cuts the branches instead (DynamoRIO's unlinking).
 */
#include <string.h>

#include "unit.h"

static void remade(const struct translator *t, uint32_t place, uint32_t size)
{
    t->client.remade(t->client.context, place, size);
}

static uint32_t entry(const struct unit *unit)
{
    return unit->place + unit->entry;
}

/* Makes the branch whose displacement is at `place` lead to the unit at `to`. */
static void aim(const struct translator *t, uint32_t place, uint32_t to)
{
    uint32_t displacement = to - (place + 4);
    memcpy(space_host(t, place), &displacement, sizeof displacement);
}

static void put_jump(const struct translator *t, uint32_t place, uint32_t to)
{
    *space_host(t, place) = JUMP;
    aim(t, place + 1, to);
}

static void chain(struct translator *t, const struct unit *unit, struct exit *exit, uint32_t target)
{
    uint32_t to = entry(&t->unit[target]);
    if (exit->in_place)
        put_jump(t, unit->place + exit->at, to);
    else
        aim(t, unit->place + exit->branch, to);
    exit->chained = true;
    t->statistics.chains++;
}

/* The processor may have executed what was there. */
static void remade_exit(const struct translator *t, const struct unit *unit,
                        const struct exit *exit)
{
    if (exit->in_place)
        remade(t, unit->place + exit->at, JUMP_LENGTH);
    else
        remade(t, unit->place + exit->branch, 4);
}

/* Exits that somebody else chains are so when they are taken. */
void link_new(struct translator *t, uint32_t number)
{
    const struct unit *unit = &t->unit[number];
    for (unsigned i = 0; i < unit->exit_count && !chained_by_others(t); i++) {
        struct exit *exit = &t->exit[unit->exit + i];
        uint32_t target = lookup_find(t, exit->target);
        if (target)
            chain(t, unit, exit, target);
    }
}

/* ---- indirect branches ----
 *
 * All of them go through one table, by the low 16 bits of the guest's address; what it leads to
 * compares the whole address (emit_landing). */

static void set_target(const struct translator *t, uint32_t index, uint32_t to)
{
    uint32_t at = index * (uint32_t)sizeof to;
    memcpy(t->space.table[at / X86_PAGE_SIZE] + at % X86_PAGE_SIZE, &to, sizeof to);
}

static uint32_t get_target(const struct translator *t, uint32_t index)
{
    uint32_t to, at = index * (uint32_t)sizeof to;
    memcpy(&to, t->space.table[at / X86_PAGE_SIZE] + at % X86_PAGE_SIZE, sizeof to);
    return to;
}

void link_land(struct translator *t, uint32_t unit)
{
    set_target(t, t->unit[unit].eip % TRANSLATOR_TARGETS, t->base + t->unit[unit].place);
    t->statistics.misses++;
}

void link_forget(struct translator *t)
{
    for (uint32_t i = 0; i < TRANSLATOR_TARGETS; i++)
        set_target(t, i, t->base + t->unit[t->miss].place);
}

/* Whoever chains exits cuts those that lead to the unit, or the guest goes on with what is no
 * longer its code; indirect branches do not find it any more. */
static void let_go(struct translator *t, uint32_t number)
{
    const struct unit *unit = &t->unit[number];
    uint32_t index = unit->eip % TRANSLATOR_TARGETS;
    if (get_target(t, index) == t->base + unit->place)
        set_target(t, index, t->base + t->unit[t->miss].place);
    t->policy->unlink(t->policy->context, t, number);
}

void link_kill(struct translator *t, uint32_t number)
{
    struct unit *unit = &t->unit[number];
    unit->dead = true;
    if (chained_by_others(t)) {
        let_go(t, number);
        return;
    }
    unit->barred = true;
    *space_host(t, entry(unit)) = TRAP;
    remade(t, entry(unit), 1);
}

/* ---- one exit ---- */

/* The unit that exit number `number` is of: they lie in the order of their numbers. */
static const struct unit *unit_of_exit(const struct translator *t, uint32_t number)
{
    uint32_t low = 0, high = t->units;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (t->unit[middle].exit <= number)
            low = middle;
        else
            high = middle;
    }
    return &t->unit[low];
}

bool translator_cut(struct translator *t, uint32_t number)
{
    if (number >= t->exits)
        return false;
    struct exit *exit = &t->exit[number];
    const struct unit *unit = unit_of_exit(t, number);
    if (!exit->chained)
        return true;
    exit->chained = false;
    aim(t, unit->place + exit->branch, unit->place + exit->at);
    remade_exit(t, unit, exit);
    return true;
}

static bool may_chain(const struct translator *t, const struct translator_where *where, uint32_t to)
{
    const struct unit *unit = &t->unit[where->unit];
    const struct vmm_exit exit = {
        .exit = unit->exit + where->index, .from = where->unit, .target = where->target, .to = to};
    return !chained_by_others(t) || (!unit->dead && t->policy->link(t->policy->context, &exit));
}

uint32_t translator_chain(struct translator *t, const struct translator_where *where, bool *chained)
{
    uint32_t target = lookup_find(t, where->target);
    *chained = false;
    if (!target)
        return 0;
    struct unit *unit = &t->unit[where->unit];
    uint32_t to = t->base + entry(&t->unit[target]);
    if (where->exit == TRANSLATOR_DEAD) {
        put_jump(t, entry(unit), entry(&t->unit[target]));
        unit->forwarded = *chained = true;
        remade(t, entry(unit), JUMP_LENGTH);
        return to;
    }
    struct exit *exit = &t->exit[unit->exit + where->index];
    if (unit->barred)
        return 0;
    *chained = exit->chained || may_chain(t, where, target);
    if (!*chained)
        return to;
    if (!exit->chained) {
        chain(t, unit, exit, target);
        remade_exit(t, unit, exit);
    }
    return exit->in_place ? t->base + unit->place + exit->at : to;
}
