/* The units as they are shown to who looks on. See vmm/translate.h. */
#include <string.h>

#include "unit.h"

bool translator_show_unit(const struct translator *t, size_t i, struct vmm_unit *shown)
{
    enum { FIRST = 2 }; /* behind the unit where indirect branches end that find nothing */
    if (i >= t->units || i + FIRST >= t->units)
        return false;
    const struct unit *unit = &t->unit[i + FIRST];
    *shown = (struct vmm_unit){.linear = unit->eip,
                               .length = unit->guest_size,
                               .cache = t->base + unit->place,
                               .size = unit->size,
                               .live = !unit->dead,
                               .landing = unit->entry != 0,
                               .exits = unit->exit_count};
    for (unsigned exit = 0; exit < unit->exit_count; exit++)
        shown->chained += t->exit[unit->exit + exit].chained;
    return true;
}

static void show_branch(const struct translator *t, const struct unit *unit, uint32_t begin,
                        uint32_t end, struct vmm_translated *shown)
{
    for (unsigned i = 0; i < unit->exit_count; i++) {
        const struct exit *exit = &t->exit[unit->exit + i];
        if (exit->branch < begin || exit->branch >= end)
            continue;
        shown->branches = true;
        shown->chained = exit->chained;
        shown->target = exit->target;
    }
}

/* The marks of one instruction of the guest are neighbours, and have its offset; what follows them,
 * or the unit's end, ends its translation. */
bool translator_show(const struct translator *t, uint32_t eip,
                     bool (*take)(void *context, const struct vmm_translated *translated),
                     void *context)
{
    uint32_t number = lookup_find(t, eip);
    if (!number)
        return false;
    const struct unit *unit = &t->unit[number];
    const struct mark *marks = &t->mark[unit->mark];
    unsigned i = 0;
    while (i < unit->mark_count && marks[i].lands)
        i++;
    while (i < unit->mark_count) {
        unsigned next = i + 1;
        while (next < unit->mark_count && marks[next].guest == marks[i].guest)
            next++;
        bool last = marks[i].guest >= unit->guest_size;
        if (last)
            break;
        uint32_t begin = marks[i].at, end = next < unit->mark_count ? marks[next].at : unit->size;
        uint32_t behind = next < unit->mark_count && marks[next].guest > marks[i].guest
                              ? marks[next].guest
                              : unit->guest_size;
        struct vmm_translated shown = {.linear = eip + marks[i].guest,
                                       .length = behind - marks[i].guest,
                                       .cache = t->base + unit->place + begin,
                                       .cache_length = end - begin,
                                       .treatment = marks[i].treatment};
        memcpy(shown.bytes, space_host(t, unit->place + begin),
               end - begin < sizeof shown.bytes ? end - begin : sizeof shown.bytes);
        show_branch(t, unit, begin, end, &shown);
        if (!take(context, &shown))
            break;
        i = next;
    }
    return true;
}
