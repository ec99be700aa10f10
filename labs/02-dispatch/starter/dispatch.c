/* Lab 2: the dispatcher's decision. README.md has the steps; <vmm/module.h> the interface. The
 * processor has raised an exception while the guest ran: whose business is it? */
#include "lab.h"

static enum vmm_decision decide(void *context, const struct vmm_trap *trap)
{
    (void)context;
    (void)trap;
    return VMM_DECIDE_REFLECT;
}

const struct lab_module lab_modules[] = {
    {"dispatcher.decision", .decide = decide},
    {.slot = NULL},
};
