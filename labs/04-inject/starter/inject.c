/* Lab 4: how an exception or interrupt enters its handler through the guest's IDT. README.md has the
 * steps; <vmm/module.h> the interface. `delivery->registers` is a copy of the virtual processor's,
 * to be changed in place: CS, SS, CPL, EIP, ESP, EFLAGS and CR2. */
#include "lab.h"

static enum vmm_delivery_end deliver(void *context, struct vmm_delivery *delivery,
                                     struct vmm_event *fault)
{
    (void)context;
    (void)delivery;
    (void)fault;
    return VMM_DELIVERY_MISSING; /* not written yet: the virtual machine stops */
}

/* What an exception during a delivery comes to. */
static enum vmm_nested nest(void *context, const struct vmm_event *first,
                            const struct vmm_event *second)
{
    (void)context;
    (void)first;
    (void)second;
    return VMM_NESTED_MISSING;
}

const struct lab_module lab_modules[] = {
    {"dispatcher.delivery", .deliver = deliver},
    {"dispatcher.nested", .nest = nest},
    {NULL},
};
