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
    {"interpreter.cli", cli},
    {"interpreter.sti", sti},
    {"interpreter.hlt", hlt},
    {"interpreter.mov_from_cr", mov_from_cr},
    {"interpreter.mov_to_cr", mov_to_cr},
    {"interpreter.lgdt", lgdt},
    {"interpreter.lidt", lidt},
    {"interpreter.in", in},
    {"interpreter.in_dx", in_dx},
    {"interpreter.out", out},
    {"interpreter.out_dx", out_dx},
    {"interpreter.invlpg", invlpg},
    {NULL, NULL},
};
