/* A word from a port is read as a byte. */
#include "labs/lab.h"

static struct vmm_outcome in_dx(void *context, struct vmm_call *call)
{
    (void)context;
    if (call->registers.cpl != 0 || call->instruction.width != 2)
        return (struct vmm_outcome){.kind = VMM_OUTCOME_STANDARD};
    return (struct vmm_outcome){
        .kind = VMM_OUTCOME_PORT,
        .port = {.port = (uint16_t)call->registers.gpr[2], .size = 1, .in = true}};
}

#define IN_DX in_dx
#include "suspect.h"

SUSPECT;
