/* Lab 6: what a page fault under shadow page tables is, and what a shadow entry may allow. README.md
 * has the steps; <vmm/module.h> the interface. */
#include "lab.h"

static struct vmm_shadow_answer ask(void *context, const struct vmm_shadow_fault *fault)
{
    (void)context;
    (void)fault;
    /* Not written yet: the virtual machine stops. */
    return (struct vmm_shadow_answer){.kind = VMM_SHADOW_MISSING};
}

/* The guest has written to an entry: the rights that the shadow's entry keeps. */
static uint32_t keep(void *context, const struct vmm_shadow_change *change)
{
    (void)context;
    return change->rights;
}

const struct lab_module lab_modules[] = {
    {"allocator.shadow", .ask = ask, .keep = keep},
    {NULL},
};
