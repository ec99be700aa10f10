/* What ring 3 cannot do by itself is never simulated for it, even if the guest allows it. */
#include "labs/lab.h"

static enum vmm_decision decide(void *context, const struct vmm_trap *trap)
{
    (void)context;
    return trap->ring == 3 && trap->standard == VMM_DECIDE_EMULATE ? VMM_DECIDE_REFLECT
                                                                   : trap->standard;
}

#define DECIDE decide
#include "suspect.h"

SUSPECT;
