/* Lab 5, the reference: an allocator for several virtual machines that do not trust each other. Frames
 * are reserved (Waldspurger, OSDI 2002, section 5.1, the parameter min): who was promised some gets
 * them whenever he asks. Ports belong to who was promised them first. */
#include "lab.h"

/* Counts the frames that each VM has; the result is a free one. */
static uint32_t look(const struct lab_plan *plan, const struct vmm_frame_request *request,
                     uint32_t held[LAB_VMS])
{
    uint32_t free = VMM_NO_FRAME;
    for (uint32_t frame = 0; frame < request->frames; frame++) {
        unsigned owner = vmm_frame_owner(request, frame);
        if (owner == VMM_FRAME_FREE)
            free = frame;
        else if (owner >= VMM_FRAME_FIRST_VM && owner < VMM_FRAME_FIRST_VM + plan->vms)
            held[owner - VMM_FRAME_FIRST_VM]++;
    }
    return free;
}

static uint32_t give(const struct lab_plan *plan, const struct vmm_frame_request *request)
{
    uint32_t held[LAB_VMS] = {0}, used = 0, owed = 0;
    uint32_t free = look(plan, request, held);
    for (unsigned vm = 0; vm < plan->vms; vm++) {
        used += held[vm];
        /* What the others may still come for. */
        if (vm != request->vm && held[vm] < plan->promised[vm])
            owed += plan->promised[vm] - held[vm];
    }
    return used + owed < plan->limit ? free : VMM_NO_FRAME;
}

static bool contains(const struct lab_grant *grant, uint32_t port)
{
    return port >= grant->first && port - grant->first < grant->count;
}

static bool overlap(const struct lab_grant *a, const struct lab_grant *b)
{
    return contains(a, b->first) || contains(b, a->first);
}

/* A grant is good as a whole or not at all. */
static bool good(const struct lab_plan *plan, uint32_t i)
{
    const struct lab_grant *grant = &plan->grants[i];
    if (grant->vm >= plan->vms || grant->count == 0 || grant->first + grant->count > 0x10000)
        return false;
    for (uint32_t earlier = 0; earlier < i; earlier++)
        if (plan->grants[earlier].vm != grant->vm && good(plan, earlier) &&
            overlap(&plan->grants[earlier], grant))
            return false;
    return true;
}

static bool owns(const struct lab_plan *plan, unsigned vm, uint16_t port)
{
    for (uint32_t i = 0; i < plan->grant_count; i++)
        if (plan->grants[i].vm == vm && contains(&plan->grants[i], port) && good(plan, i))
            return true;
    return false;
}

static bool allow(const struct lab_plan *plan, unsigned vm, const struct vmm_port_access *access)
{
    for (unsigned i = 0; i < access->size; i++)
        if (!owns(plan, vm, (uint16_t)(access->port + i)))
            return false;
    return true;
}

const struct lab_module lab_modules[] = {
    {"allocator.frames", .give = give},
    {"allocator.ports", .allow = allow},
    {NULL},
};
