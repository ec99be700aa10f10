/* Between the map of a VM's frames and an allocator from outside (Popek and Goldberg 1974, section
 * 3: the allocator decides what system resources are provided). It says which frame a page gets;
 * that the frame is nobody's, and that the monitor keeps what it needs, is looked at here. */
#include <stdio.h>

#include "module.h"
#include "vm.h"

struct vmm_frame_inside {
    const struct frames *pool;
};

unsigned vmm_frame_owner(const struct vmm_frame_request *request, uint32_t frame)
{
    const struct frames *pool = request->inside->pool;
    uint16_t owner = frames_owner(pool, frame);
    if (frame >= memory_frames(pool->memory) || owner == FRAMES_VMM)
        return VMM_FRAME_VMM;
    return owner == FRAMES_FREE ? VMM_FRAME_FREE : VMM_FRAME_FIRST_VM + owner - FRAMES_FIRST_VM;
}

static uint32_t refuse(const struct modules *modules, uint32_t page, uint32_t frame, unsigned owner)
{
    char reason[160], whose[32] = "the monitor's";
    if (owner >= VMM_FRAME_FIRST_VM)
        snprintf(whose, sizeof whose, "VM %u's", owner - VMM_FRAME_FIRST_VM);
    snprintf(reason, sizeof reason,
             "Module allocator.frames misbehaved: for page 0x%x it gave frame 0x%x, which is %s",
             page, frame, whose);
    dispatcher_refuse(modules->dispatcher, reason);
    return FRAMES_NONE;
}

static uint32_t give(void *context, uint32_t page)
{
    const struct modules *modules = context;
    const struct frame_map *map = modules->map;
    const struct vmm_frame_inside inside = {map->pool};
    const struct vmm_frame_request request = {.vm = map->owner - FRAMES_FIRST_VM,
                                              .page = page,
                                              .pages = map->pages,
                                              .frames = memory_frames(map->pool->memory),
                                              .available = frames_available(map->pool),
                                              .inside = &inside};
    char reason[128];
    uint32_t frame = modules->give ? modules->give(modules->give_context, &request) : VMM_NO_FRAME;
    if (frame == VMM_NO_FRAME || !request.available) {
        snprintf(reason, sizeof reason,
                 modules->give ? "The machine has no frame for page 0x%x of this virtual machine"
                               : "Module missing: this virtual machine has no allocator.frames",
                 page);
        dispatcher_refuse(modules->dispatcher, reason);
        return FRAMES_NONE;
    }
    unsigned owner = vmm_frame_owner(&request, frame);
    return owner == VMM_FRAME_FREE ? frame : refuse(modules, page, frame, owner);
}

void module_use_frames(struct modules *modules, struct frame_map *map)
{
    modules->map = map;
    frame_map_on_demand(map, give, modules);
}
