/* STI loses the carry flag. */
#include "labs/lab.h"

static struct vmm_outcome sti(void *context, struct vmm_call *call)
{
    (void)context;
    if (call->registers.cpl > (call->registers.eflags >> 12 & 3) || !(call->registers.eflags & 1))
        return (struct vmm_outcome){.kind = VMM_OUTCOME_STANDARD};
    call->registers.eflags = (call->registers.eflags | 1 << 9) & ~1u;
    return (struct vmm_outcome){.kind = VMM_OUTCOME_DONE, .shadow = true};
}

#define STI sti
#include "suspect.h"

SUSPECT;
