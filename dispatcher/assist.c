/* The library's own answers to exits. See assist.h. What trap-and-emulate needs a decision for
 * (decision.c) the exit code says here: the hardware has decoded already. */
#include "assist.h"

#include "machine/vmcb.h"

static bool standard_exit(void *context, const struct assist_question *question,
                          struct assist_answer *answer)
{
    const struct cpu_exit *exit = question->exit;
    (void)context;
    if (question->code == VMCB_EXIT_NPF) {
        answer->end = ASSIST_ALLOCATE;
    } else if (!exit) {
        answer->end = ASSIST_INJECT;
        answer->event =
            (struct x86_event){.kind = X86_EXTERNAL_INTERRUPT, .vector = question->vector};
    } else if (exit->kind == CPU_EXCEPTION || exit->kind == CPU_SOFTWARE_INTERRUPT) {
        answer->end = ASSIST_INJECT;
        answer->event = exit->event;
    } else {
        answer->end = ASSIST_EMULATE;
    }
    return true;
}

const struct assist_policy assist_standard = {.exit = standard_exit};
