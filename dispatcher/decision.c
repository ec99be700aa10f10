/* Whose is a trap? See decision.h. The guest's kernel runs without its privileges and with shadow
 * tables in the place of its own: what the processor refuses it for that reason is the VMM's to
 * simulate, and everything else is what the guest would see on a machine of its own. */
#include "decision.h"

#include "interpreter/interpreter.h"

/* Might the processor have raised it because the guest's kernel is not at ring 0, or because
 * descriptors are missing from the shadow tables? */
static bool suspicious(const struct x86_event *event, bool monitor)
{
    switch (event->vector) {
    case X86_TS:
    case X86_NP:
    case X86_STACK:
    case X86_GP: return true;
    case X86_PAGE: return monitor;
    default: return false;
    }
}

static enum decision decide(const struct x86_event *event, const struct x86_instruction *insn,
                            bool monitor)
{
    if (insn && suspicious(event, monitor) && interpreter_simulates(insn))
        return DECIDE_EMULATE;
    return event->vector == X86_PAGE ? DECIDE_ALLOCATE : DECIDE_REFLECT;
}

const struct decision_policy decision_standard = {.looks = suspicious, .decide = decide};
