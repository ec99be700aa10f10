/* Room in the code cache. Units are put one behind the other, and when there is no room left all of
 * them go at once: the simplest eviction, which needs no list of who points at whom, and was
 * VMware's and Dynamo's (Bala et al., PLDI 2000, section 5). No unit crosses a page, so that pages
 * of the cache need not be neighbours. */
#include "unit.h"

/* The engine finds code that is jumped to indirectly by a hash of its address, in which a page has
 * 64 places. Units are put where nobody's place is taken, as long as that costs few bytes. */
enum { PLACES = 64, PADDING = 24 };

static uint64_t place_of(uint32_t offset)
{
    return 1ull << ((offset ^ offset / PLACES) % PLACES);
}

bool space_take(struct translator *t, unsigned size, uint32_t *place)
{
    unsigned padding = 0;
    while (padding < PADDING && (t->places & place_of(t->used + padding)))
        padding++;
    if (padding == PADDING)
        padding = 0;
    if (t->used + padding + size > X86_PAGE_SIZE) {
        t->page++;
        t->used = padding = 0;
        t->places = 0;
    }
    if (t->page >= t->space.pages)
        return false;
    t->used += padding;
    t->places |= place_of(t->used);
    *place = t->space.offset[t->page] + t->used;
    t->used += size;
    return true;
}

/* Binary search: the pages' offsets ascend. */
uint8_t *space_host(const struct translator *t, uint32_t place)
{
    uint32_t low = 0, high = t->space.pages;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (t->space.offset[middle] <= place)
            low = middle;
        else
            high = middle;
    }
    return t->space.host[low] + (place - t->space.offset[low]);
}
