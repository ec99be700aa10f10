/* Lab 5: which frame of the machine a page of a virtual machine gets, and which ports it may use.
 * README.md has the steps; lab.h and <vmm/module.h> the interface. */
#include "lab.h"

static uint32_t give(const struct lab_plan *plan, const struct vmm_frame_request *request)
{
    (void)plan;
    (void)request;
    return VMM_NO_FRAME; /* not written yet: no guest gets anything */
}

static bool allow(const struct lab_plan *plan, unsigned vm, const struct vmm_port_access *access)
{
    (void)plan;
    (void)vm;
    (void)access;
    return false;
}

const struct lab_module lab_modules[] = {
    {"allocator.frames", .give = give},
    {"allocator.ports", .allow = allow},
    {NULL},
};
