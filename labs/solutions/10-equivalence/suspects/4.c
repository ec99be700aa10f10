/* LIDT takes the limit of an IDT for 256 gates to be that of one for 255. */
#include "labs/lab.h"

#include <string.h>

static struct vmm_outcome lidt(void *context, struct vmm_call *call)
{
    uint8_t bytes[6];
    struct vmm_outcome fault;
    (void)context;
    if (call->registers.cpl != 0 ||
        !vmm_call_read(call, call->instruction.address, bytes, sizeof bytes, &fault) ||
        bytes[0] != 0xff || bytes[1] != 7)
        return (struct vmm_outcome){.kind = VMM_OUTCOME_STANDARD};
    memcpy(&call->registers.idt_base, bytes + 2, 4);
    call->registers.idt_limit = 0x7f7;
    return (struct vmm_outcome){.kind = VMM_OUTCOME_DONE};
}

#define LIDT lidt
#include "suspect.h"

SUSPECT;
