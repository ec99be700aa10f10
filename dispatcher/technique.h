/* The seam between the dispatcher and the techniques: how a guest's supervisor code is executed is
 * one small table of functions, in a file of its own. */
#ifndef DISPATCHER_TECHNIQUE_H
#define DISPATCHER_TECHNIQUE_H

#include "dispatcher/dispatcher.h"
#include "vmm/debug.h"

struct technique {
    const char *name;
    /* Handles an exit of the processor; dispatcher->halted or ->shutdown is set where the guest
     * stops executing. */
    enum cpu_action (*exit)(struct dispatcher *dispatcher, const struct cpu_exit *exit);
    /* Which instructions it wants to see before they are executed. */
    bool (*wants)(struct dispatcher *dispatcher, const struct cpu_state *state,
                  const struct x86_instruction *insn);
    /* Has the guest interrupts enabled? Could one arrive now, no shadow in the way? */
    bool (*enabled)(const struct dispatcher *dispatcher);
    bool (*interruptible)(const struct dispatcher *dispatcher);
    /* Delivers the external interrupt `vector` to the guest. */
    void (*interrupt)(struct dispatcher *dispatcher, uint8_t vector);
    /* For debuggers; NULL where the guest is what the processor is. Around a change of
     * dispatcher->guest from outside, between runs; and what lies beneath the guest's page tables:
     * the shadow entries, and the machine address, for walk->linear and walk->guest. */
    void (*modify)(struct dispatcher *dispatcher);
    void (*modified)(struct dispatcher *dispatcher);
    void (*walk)(const struct dispatcher *dispatcher, struct vmm_walk *walk);
};

extern const struct technique technique_bare;

#endif
