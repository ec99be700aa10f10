/* What was found, in sentences: which class, why, what a VMM can do about it. The words are those
 * of Popek and Goldberg (1974); each claim is followed by the experiment that shows it. */
#include "classify/classification.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *data;
    size_t size, used;
};

static void say(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct text *text, const char *format, ...)
{
    va_list arguments;

    if (text->used >= text->size)
        return;
    va_start(arguments, format);
    int n = vsnprintf(text->data + text->used, text->size - text->used, format, arguments);
    va_end(arguments);
    if (n > 0)
        text->used += (size_t)n;
}

static void say_privilege(struct text *text, const struct vmm_class_record *r,
                          const struct verdict *verdict)
{
    if (r->privileged)
        say(text, "It is privileged: in every pair of states it executes in supervisor mode and "
                  "traps in user mode.\n");
    else if (r->conditionally_privileged)
        say(text,
            "It is conditionally privileged: it traps in user mode where %s, and only there.\n",
            r->condition);
    else if (verdict->conditional)
        say(text, "It is not privileged: in user mode it traps where %s and executes elsewhere.\n",
            verdict->condition);
    else if (verdict->ran_user)
        say(text, "It is not privileged: it executes in user mode without a trap.\n");
    else if (verdict->ran)
        say(text, "It executes in supervisor mode only in states that user mode cannot be in.\n");
    else
        say(text, "It traps in supervisor mode as in user mode in every state that was tried, so "
                  "it never does anything that a VMM would miss.\n");
}

static void say_witness(struct text *text, const struct isa *isa, const struct witness *witness,
                        enum evidence kind)
{
    char state[2][160], difference[256];

    witness_state(isa, witness, 0, state[0], sizeof state[0]);
    witness_state(isa, witness, 1, state[1], sizeof state[1]);
    witness_difference(isa, witness, kind, difference, sizeof difference);
    if (kind == EVIDENCE_CONTROL)
        say(text, "  Seen in %s: %s.\n", state[0], difference);
    else
        say(text, "  Seen in %s and %s: %s.\n", state[0], state[1], difference);
}

static void say_sensitivity(struct text *text, const struct isa *isa, const struct verdict *verdict)
{
    static const char *const meaning[EVIDENCE_COUNT] = {
        [EVIDENCE_CONTROL] = "It is control sensitive: it can change the mode or a resource.",
        [EVIDENCE_LOCATION] = "It is location sensitive: its result depends on a resource that a "
                              "VMM has to hide.",
        [EVIDENCE_MODE] = "It is mode sensitive: its result depends on the processor's mode.",
        [EVIDENCE_LEAK] = "It is mode sensitive: user mode can do what supervisor mode cannot.",
    };
    for (int kind = EVIDENCE_CONTROL; kind < EVIDENCE_COUNT; kind++) {
        const struct witness *witness = &verdict->witness[kind];

        if (!witness->found || (kind == EVIDENCE_LEAK && verdict->witness[EVIDENCE_MODE].found))
            continue;
        say(text, "%s\n", meaning[kind]);
        say_witness(text, isa, witness, (enum evidence)kind);
    }
    if (verdict->user.found) {
        say(text, "It is user sensitive: user programs alone can show it.\n");
        say_witness(text, isa, &verdict->user, verdict->user_kind);
    }
}

static void say_consequence(struct text *text, const struct vmm_class_record *r)
{
    if (!r->sensitive)
        say(text, "It is innocuous: a VMM lets the hardware execute it%s.\n",
            r->privileged || r->conditionally_privileged ? " or emulates its trap" : "");
    else if (r->privileged || r->conditionally_privileged)
        say(text, "Sensitive and privileged: every attempt reaches the VMM as a trap, as Theorem 1 "
                  "asks.\n");
    else
        say(text,
            "Sensitive and not privileged: the guest's kernel, run in user mode, executes it "
            "without the VMM hearing of it. It is a counterexample to Theorem 1's premise%s.\n",
            r->user_sensitive ? ", and, being user sensitive, to Theorem 3's" : "");
}

char *vmm_classification_explain(const struct vmm_classification *c, size_t index)
{
    struct text text = {.size = 8192};

    if (index >= c->count)
        return NULL;
    const struct vmm_class_record *r = &c->records[index];
    const struct verdict *verdict = &c->findings[index].verdict;
    text.data = malloc(text.size);
    if (!text.data)
        return NULL;
    say(&text, "%s (%s) on %s", r->form ? r->form : r->mnemonic, r->bytes, c->isa->title);
    if (r->failure) {
        say(&text, ": no verdict, %s.\n", r->failure);
        return text.data;
    }
    say(&text, "\n");
    say_privilege(&text, r, verdict);
    say_sensitivity(&text, c->isa, verdict);
    say_consequence(&text, r);
    if (r->invariant)
        say(&text, "All of this holds under the invariant %s.\n", r->invariant);
    if (r->invariant && (verdict->without.user && !verdict->within.user))
        say(&text, "Without it the instruction is user sensitive as well.\n");
    if (r->engine_note)
        say(&text, "Engine: %s\n", r->engine_note);
    return text.data;
}
