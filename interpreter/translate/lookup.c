/* Finding a unit: by the guest's address, when the dispatcher wants to enter the cache, and by the
 * processor's, when it has left. Only units that may be entered are found by the former. */
#include <string.h>

#include "unit.h"

static uint32_t *bucket(struct translator *t, uint32_t eip)
{
    return &t->bucket[(eip * 2654435761u) >> 18 & (UNIT_BUCKETS - 1)];
}

uint32_t lookup_find(const struct translator *t, uint32_t eip)
{
    uint32_t unit = t->bucket[(eip * 2654435761u) >> 18 & (UNIT_BUCKETS - 1)];
    while (unit && t->unit[unit].eip != eip)
        unit = t->unit[unit].next;
    return unit;
}

void lookup_insert(struct translator *t, uint32_t unit)
{
    uint32_t *first = bucket(t, t->unit[unit].eip);
    t->unit[unit].next = *first;
    *first = unit;
}

void lookup_remove(struct translator *t, uint32_t unit)
{
    uint32_t *link = bucket(t, t->unit[unit].eip);
    while (*link != unit)
        link = &t->unit[*link].next;
    *link = t->unit[unit].next;
}

void lookup_clear(struct translator *t)
{
    memset(t->bucket, 0, sizeof t->bucket);
}

/* Units lie in the order of their numbers. */
uint32_t lookup_place(const struct translator *t, uint32_t place)
{
    uint32_t low = 0, high = t->units;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (t->unit[middle].place <= place)
            low = middle;
        else
            high = middle;
    }
    return low && place - t->unit[low].place < t->unit[low].size ? low : 0;
}
