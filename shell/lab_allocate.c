/* Reservations: a VM that was promised frames gets them whenever it asks, however greedy others are
 * (Waldspurger, OSDI 2002, section 5.1, min). Ports go to who was promised them first. */
#include "shell/lab_allocate.h"

static void count_frames(const struct vmm_frame_request *request, uint32_t held[LAB_VMS],
                         uint32_t *free)
{
    for (uint32_t frame = 0; frame < request->frames; frame++) {
        unsigned owner = vmm_frame_owner(request, frame);
        if (owner == VMM_FRAME_FREE)
            *free = frame;
        if (owner >= VMM_FRAME_FIRST_VM && owner - VMM_FRAME_FIRST_VM < LAB_VMS)
            held[owner - VMM_FRAME_FIRST_VM]++;
    }
}

static uint32_t give(const struct lab_plan *plan, const struct vmm_frame_request *request)
{
    uint32_t held[LAB_VMS] = {0}, free = VMM_NO_FRAME, left = plan->limit, owed = 0;
    count_frames(request, held, &free);
    for (unsigned vm = 0; vm < plan->vms; vm++) {
        left -= held[vm];
        if (vm != request->vm && plan->promised[vm] > held[vm])
            owed += plan->promised[vm] - held[vm];
    }
    return left > owed ? free : VMM_NO_FRAME;
}

static bool overlap(const struct lab_grant *a, const struct lab_grant *b)
{
    return a->first < b->first + b->count && b->first < a->first + a->count;
}

static bool possible(const struct lab_plan *plan, uint32_t i)
{
    const struct lab_grant *grant = &plan->grants[i];
    if (grant->vm >= plan->vms || grant->count == 0 || grant->count > 0x10000u - grant->first)
        return false;
    for (uint32_t before = 0; before < i; before++)
        if (plan->grants[before].vm != grant->vm && overlap(&plan->grants[before], grant) &&
            possible(plan, before))
            return false;
    return true;
}

static bool owns(const struct lab_plan *plan, unsigned vm, uint16_t port)
{
    const struct lab_grant one = {.first = port, .count = 1};
    for (uint32_t i = 0; i < plan->grant_count; i++)
        if (plan->grants[i].vm == vm && overlap(&plan->grants[i], &one) && possible(plan, i))
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

const struct lab_module lab_allocator[] = {
    {"allocator.frames", {.give = give}, NULL},
    {"allocator.ports", {.allow = allow}, NULL},
    {NULL, {NULL}, NULL},
};
