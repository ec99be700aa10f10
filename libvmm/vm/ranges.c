/* The guest's address space at a glance: runs of pages that its tables map alike (SDM volume 3,
 * section 4.3), and how much of each run the VMM's shadow tables have been filled in with. */
#include "vm.h"
#include "vmm/debug.h"

enum { PAGE = 4096, DIRECTORY_PAGES = 1024 };

static bool same(const struct vmm_range *range, const struct vmm_walk *walk)
{
    return range->pages && range->user == walk->user && range->writable == walk->writable;
}

/* Pages that a look at one address settles: what a directory's entry does not map, it does not map
 * as a whole. A large page may be shadowed in part, so it does not count as one. */
static uint32_t step(const struct vmm_walk *walk)
{
    bool nothing = walk->guest.count == 1 && !walk->guest.mapped;
    return nothing ? DIRECTORY_PAGES - (walk->linear / PAGE) % DIRECTORY_PAGES : 1;
}

void vmm_ranges(const struct vmm_vm *vm, bool (*take)(void *context, const struct vmm_range *range),
                void *context)
{
    struct vmm_range range = {0};
    struct vmm_walk walk;
    for (uint64_t at = 0; at < 1ull << 32; at += (uint64_t)step(&walk) * PAGE) {
        vmm_walk(vm, (uint32_t)at, &walk);
        if (!walk.paging)
            return;
        if (range.pages && (!walk.guest.mapped || !same(&range, &walk))) {
            if (!take(context, &range))
                return;
            range.pages = 0;
        }
        if (!walk.guest.mapped)
            continue;
        if (!range.pages)
            range = (struct vmm_range){
                .linear = (uint32_t)at, .user = walk.user, .writable = walk.writable};
        range.pages++;
        range.shadowed = walk.shadowed;
        range.shadow_pages += walk.shadowed && walk.shadow.mapped;
    }
    if (range.pages)
        take(context, &range);
}
