/* @NAME@: an interpreter routine of one's own in the place of the library's. It simulates CLI on
 * the virtual processor (Intel SDM volume 2, CLI): Popek and Goldberg's v_i for i = CLI. Break it,
 * and see what `make run` says. */
#include "module.h"

enum { PE = 1 << 0, IF = 1 << 9, IOPL_SHIFT = 12, GENERAL_PROTECTION = 13 };

struct vmm_outcome cli(void *context, struct vmm_call *call)
{
    struct vmm_registers *guest = &call->registers;
    unsigned *calls = context;
    unsigned iopl = guest->eflags >> IOPL_SHIFT & 3;

    ++*calls;
    if ((guest->cr0 & PE) && guest->cpl > iopl)
        return (struct vmm_outcome){.kind = VMM_OUTCOME_INJECT, .vector = GENERAL_PROTECTION};
    guest->eflags &= ~(uint32_t)IF;
    return (struct vmm_outcome){.kind = VMM_OUTCOME_DONE};
}
