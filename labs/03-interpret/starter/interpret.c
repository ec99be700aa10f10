/* Lab 3: what the virtual machine monitor does in the place of a privileged instruction. README.md
 * has the steps; <vmm/module.h> the interface. Each function gets the decoded instruction and a
 * copy of the virtual processor's registers, and returns what is to happen next. */
#include "lab.h"

/* Not written yet: the virtual machine stops with "Module missing". */
static struct vmm_outcome missing(void)
{
    return (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};
}

static struct vmm_outcome cli(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

static struct vmm_outcome sti(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

static struct vmm_outcome hlt(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

static struct vmm_outcome mov_from_cr(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

static struct vmm_outcome mov_to_cr(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

static struct vmm_outcome lgdt(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

static struct vmm_outcome lidt(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

static struct vmm_outcome in(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

static struct vmm_outcome in_dx(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

static struct vmm_outcome out(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

static struct vmm_outcome out_dx(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

static struct vmm_outcome invlpg(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return missing();
}

const struct lab_module lab_modules[] = {
    {"interpreter.cli", .routine = cli},
    {"interpreter.sti", .routine = sti},
    {"interpreter.hlt", .routine = hlt},
    {"interpreter.mov_from_cr", .routine = mov_from_cr},
    {"interpreter.mov_to_cr", .routine = mov_to_cr},
    {"interpreter.lgdt", .routine = lgdt},
    {"interpreter.lidt", .routine = lidt},
    {"interpreter.in", .routine = in},
    {"interpreter.in_dx", .routine = in_dx},
    {"interpreter.out", .routine = out},
    {"interpreter.out_dx", .routine = out_dx},
    {"interpreter.invlpg", .routine = invlpg},
    {.slot = NULL},
};
