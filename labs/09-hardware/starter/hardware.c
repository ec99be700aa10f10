/* Lab 9: what a VMM has left to do where the hardware virtualizes: intercepts, exits, and the nested
 * page table. README.md has the steps; <vmm/assist.h> the interface. */
#include "lab.h"

/* Whether the event with this exit code is to stop the guest. */
static bool intercept(void *context, unsigned code)
{
    (void)context;
    return code == VMM_EXIT_VMRUN; /* without it VMRUN refuses the VMCB */
}

/* A nested page fault: the entries of the nested table for it. */
static struct vmm_nested_answer fill(void *context, const struct vmm_nested_fault *fault)
{
    (void)context;
    (void)fault;
    /* Not written yet: the virtual machine stops. */
    return (struct vmm_nested_answer){.kind = VMM_FILL_MISSING};
}

/* What becomes of an exit. */
static enum vmm_exit_end handle(void *context, struct vmm_vmexit *exit)
{
    (void)context;
    return exit->code == VMM_EXIT_NPF ? VMM_EXIT_FILL : VMM_EXIT_MISSING;
}

/* An interrupt waits that the guest cannot take: the VMCB's field V_INTR. */
static uint64_t window(void *context, const struct vmm_window *window)
{
    (void)context;
    return window->v_intr;
}

/* How many exits a guest takes that does this. */
static uint64_t predict(const struct lab_workload *work)
{
    (void)work;
    return 0;
}

static const struct vmm_hardware hardware = {intercept, handle, fill, window};

const struct lab_module lab_modules[] = {
    {"dispatcher.hardware", .hardware = &hardware},
    {"lab.exits", .predict = predict},
    {NULL},
};
