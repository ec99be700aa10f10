/* Lab 2, the reference: Popek and Goldberg's dispatcher (CACM 17(7), 1974, section 3). What the
 * processor refuses because the guest's kernel is not at ring 0, or because descriptors are missing
 * from the shadow tables, is the VMM's to simulate; a page fault is the allocator's; and everything
 * else is what the guest would see on a machine of its own. */
#include "lab.h"

enum { INVALID_TSS = 10, NOT_PRESENT = 11, STACK = 12, PROTECTION = 13, PAGE = 14 };

static enum vmm_decision decide(void *context, const struct vmm_trap *trap)
{
    bool sensitive = trap->instruction != NULL;
    (void)context;
    switch (trap->vector) {
    case PAGE:
        return trap->monitor && sensitive ? VMM_DECIDE_EMULATE : VMM_DECIDE_ALLOCATE;
    case INVALID_TSS:
    case NOT_PRESENT:
    case STACK:
    case PROTECTION:
        return sensitive ? VMM_DECIDE_EMULATE : VMM_DECIDE_REFLECT;
    default:
        return VMM_DECIDE_REFLECT;
    }
}

const struct lab_module lab_modules[] = {
    {"dispatcher.decision", .decide = decide},
    {.slot = NULL},
};
