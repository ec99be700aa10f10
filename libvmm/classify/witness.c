/* A witness in words: the two states that show a class, and what the instruction did differently.
 * The definitions say "there is a state such that"; this names the state. */
#include "classify/classification.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *evidence_name(enum evidence kind)
{
    static const char *const names[EVIDENCE_COUNT] = {
        [EVIDENCE_PRIVILEGED] = "privileged",
        [EVIDENCE_CONTROL] = "control",
        [EVIDENCE_LOCATION] = "location",
        [EVIDENCE_MODE] = "mode",
        [EVIDENCE_LEAK] = "mode",
    };
    return names[kind];
}

const struct witness *finding_witness(const struct vmm_classification *c, size_t index,
                                      enum evidence *kind)
{
    /* Two user states that differ are the strongest, since no mode has to be blamed for it. */
    static const enum evidence order[] = {EVIDENCE_MODE, EVIDENCE_LEAK, EVIDENCE_CONTROL,
                                          EVIDENCE_LOCATION, EVIDENCE_PRIVILEGED};
    const struct verdict *verdict = &c->findings[index].verdict;

    if (verdict->within.privileged && verdict->witness[EVIDENCE_PRIVILEGED].found) {
        *kind = EVIDENCE_PRIVILEGED;
        return &verdict->witness[EVIDENCE_PRIVILEGED];
    }
    if (verdict->user.found) {
        *kind = verdict->user_kind;
        return &verdict->user;
    }
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (verdict->witness[order[i]].found) {
            *kind = order[i];
            return &verdict->witness[order[i]];
        }
    return NULL;
}

void witness_state(const struct isa *isa, const struct witness *witness, unsigned which, char *text,
                   size_t size)
{
    unsigned mode = which ? witness->mode_b : witness->mode_a;
    unsigned variation = which ? witness->variation_b : witness->variation_a;

    snprintf(text, size, "%s, operands %u%s%s%s", isa->modes[mode].name, witness->seed,
             variation ? ", with " : "", variation ? isa->variations[variation].name : "",
             variation ? " varied" : "");
}

static void component_name(const struct isa *isa, const struct witness *witness, char *text,
                           size_t size)
{
    if (witness->component >= 0)
        snprintf(text, size, "%s", isa->components[witness->component].name);
    else
        snprintf(text, size, "the word of memory at 0x%" PRIx64, witness->address);
}

void witness_difference(const struct isa *isa, const struct witness *witness, enum evidence kind,
                        char *text, size_t size)
{
    char name[64];

    if (kind == EVIDENCE_PRIVILEGED) {
        snprintf(text, size, "it executes in the first state and traps in the second");
        return;
    }
    if (kind == EVIDENCE_LEAK) {
        snprintf(text, size, "it traps in supervisor mode and executes in user mode");
        return;
    }
    component_name(isa, witness, name, sizeof name);
    if (kind == EVIDENCE_CONTROL)
        snprintf(text, size, "it changes %s from 0x%" PRIx64 " to 0x%" PRIx64 " without a trap",
                 name, witness->before_a, witness->after_a);
    else
        snprintf(text, size,
                 "%s goes from 0x%" PRIx64 " to 0x%" PRIx64
                 " in the first state and from 0x%" PRIx64 " to 0x%" PRIx64 " in the second",
                 name, witness->before_a, witness->after_a, witness->before_b, witness->after_b);
}
