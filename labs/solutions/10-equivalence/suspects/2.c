/* Reading CR2 gives the page's address, without the offset in it. */
#include "labs/lab.h"

static struct vmm_outcome from_cr(void *context, struct vmm_call *call)
{
    (void)context;
    if (call->registers.cpl != 0 || call->instruction.reg != 2 || call->instruction.rm != 7)
        return (struct vmm_outcome){.kind = VMM_OUTCOME_STANDARD};
    call->registers.gpr[7] = call->registers.cr2 & 0xfffff000;
    return (struct vmm_outcome){.kind = VMM_OUTCOME_DONE};
}

#define FROM_CR from_cr
#include "suspect.h"

SUSPECT;
