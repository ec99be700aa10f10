/* The theorems decided for a formal machine: by the classes, which settle what the paper's
 * condition says, and by the VMM that is constructed for the machine, which has to keep the
 * homomorphism. Theorem 2 asks for a VMM inside a VMM, Theorem 3 for one that interprets supervisor
 * mode. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formal.h"
#include "theorem_result.h"

#define LARGEST_FILE (1u << 20) /* bytes; far more than the limits on a machine's parts need */
#define MOST_WORK    200000000u /* states times terms: a minute of classifying */

static const struct vmm_theorem_limits default_limits = {1000000, 100000000, 2};

static bool set_limits(struct vmm_formal_machine *machine, const struct vmm_theorem_limits *limits,
                       struct vmm_theorem_error *error)
{
    machine->limits = default_limits;
    if (!limits)
        return true;
    if (limits->length > VMM_THEOREM_LENGTH) {
        theorem_error_set(error,
                          "sequences of %u instructions are too long; use a length from 1 to %d",
                          limits->length, VMM_THEOREM_LENGTH);
        return false;
    }
    if (limits->max_states)
        machine->limits.max_states = limits->max_states;
    if (limits->max_checks)
        machine->limits.max_checks = limits->max_checks;
    if (limits->length)
        machine->limits.length = limits->length;
    return true;
}

static bool small_enough(const struct vmm_formal_machine *machine, struct vmm_theorem_error *error)
{
    static const char remedy[] = "reduce storage, pc, relocation, bounds or timer";
    uint64_t terms = machine->node_count + 8u * machine->instruction_count, work;
    if (machine->states == UINT64_MAX || machine->states > machine->limits.max_states) {
        theorem_error_set(error, "the state space is too large: %s%llu states, limit %llu; %s",
                          machine->states == UINT64_MAX ? "more than " : "",
                          (unsigned long long)machine->states,
                          (unsigned long long)machine->limits.max_states, remedy);
        return false;
    }
    if (__builtin_mul_overflow(machine->states, terms, &work) || work > MOST_WORK) {
        theorem_error_set(
            error,
            "the machine is too large: %llu states times %llu terms, limit %u; shorten the "
            "instructions, or %s",
            (unsigned long long)machine->states, (unsigned long long)terms, MOST_WORK, remedy);
        return false;
    }
    return true;
}

struct vmm_formal_machine *vmm_theorem_load(const char *text, size_t length,
                                            const struct vmm_theorem_limits *limits,
                                            struct vmm_theorem_error *error)
{
    struct vmm_theorem_error ignored;
    if (!error)
        error = &ignored;
    struct vmm_formal_machine *machine = calloc(1, sizeof *machine);
    if (!machine)
        theorem_error_set(error, "there is no memory for a machine; close other programs");
    else if (set_limits(machine, limits, error) && formal_parse(machine, text, length, error) &&
             small_enough(machine, error))
        return machine;
    free(machine);
    return NULL;
}

struct vmm_formal_machine *vmm_theorem_load_file(const char *path,
                                                 const struct vmm_theorem_limits *limits,
                                                 struct vmm_theorem_error *error)
{
    struct vmm_formal_machine *machine = NULL;
    char *text = malloc(LARGEST_FILE + 1);
    FILE *file = text ? fopen(path, "rb") : NULL;
    size_t length = file ? fread(text, 1, LARGEST_FILE + 1, file) : 0;
    if (!text)
        theorem_error_set(error, "there is no memory for a machine; close other programs");
    else if (!file || ferror(file))
        theorem_error_set(error, "cannot read the machine '%.160s': %s; name a readable file", path,
                          strerror(errno));
    else if (length > LARGEST_FILE)
        theorem_error_set(error, "the machine '%.160s' has more than %u bytes; name a machine file",
                          path, LARGEST_FILE);
    else
        machine = vmm_theorem_load(text, length, limits, error);
    if (file)
        fclose(file);
    free(text);
    return machine;
}

void vmm_theorem_unload(struct vmm_formal_machine *machine)
{
    free(machine);
}

const char *vmm_theorem_machine_name(const struct vmm_formal_machine *machine)
{
    return machine->name;
}

uint64_t vmm_theorem_machine_states(const struct vmm_formal_machine *machine)
{
    return machine->states;
}

size_t vmm_theorem_instructions(const struct vmm_formal_machine *machine)
{
    return machine->instruction_count;
}

const struct vmm_class_record *vmm_theorem_classes(struct vmm_formal_machine *machine, size_t index)
{
    formal_classify(machine);
    return index < machine->instruction_count ? &machine->instruction[index].classes : NULL;
}

/* ---- deciding ---- */

struct decision {
    struct vmm_formal_machine *machine;
    const struct vmm_theorem_modules *modules;
    struct vmm_theorem_result *result;
    bool condition;                        /* the subset that the theorem asks for */
    bool complete;                         /* everything fitted into memory */
    const struct formal_instruction *last; /* of a failed sequence */
};

/* The paper's condition: nothing (user) sensitive that is not privileged. */
static void decide_condition(struct decision *decision)
{
    struct vmm_theorem_result *result = decision->result;
    for (unsigned i = 0; i < decision->machine->instruction_count; i++) {
        const struct vmm_class_record *classes = &decision->machine->instruction[i].classes;
        result->records[result->record_count++] = classes;
        bool sensitive = result->theorem == 3 ? classes->user_sensitive : classes->sensitive;
        if (!sensitive || classes->privileged)
            continue;
        decision->condition = false;
        decision->complete &= theorem_result_add_counterexample(result, classes->mnemonic);
    }
}

static bool add_trace_line(void *context, const char *text)
{
    return theorem_result_add_trace(context, text);
}

static void note_timing(struct decision *decision)
{
    for (unsigned i = 0; i < decision->machine->instruction_count; i++) {
        const struct formal_instruction *instruction = &decision->machine->instruction[i];
        if (!instruction->reads_clock || instruction->classes.privileged)
            continue;
        char text[FORMAL_NAME + 64];
        snprintf(text, sizeof text, "but for timing: %s reads T and is not privileged",
                 instruction->name);
        decision->complete &= theorem_result_add_condition(decision->result, text);
    }
}

/* Checks the homomorphism for one construction, and adds up what it took. */
static enum formal_finding check(struct decision *decision, unsigned levels, bool hybrid)
{
    struct vmm_formal_machine *machine = decision->machine;
    struct vmm_theorem_result *result = decision->result;
    uint64_t limit = machine->limits.max_checks;
    struct formal_check check = {
        .levels = levels,
        .hybrid = hybrid,
        .length = machine->limits.length,
        .budget = limit > result->checks ? limit - result->checks : 0,
        .modules = decision->modules,
    };
    enum formal_finding finding = formal_check(machine, &check);
    result->levels = levels;
    result->sequences = check.sequences;
    result->checks += check.checks;
    result->direct += check.direct;
    result->entries += check.entries;
    if (check.timing)
        note_timing(decision);
    if (finding != FORMAL_FAILS)
        return finding;
    decision->complete &= formal_trace(machine, &check, add_trace_line, result);
    decision->last = &machine->instruction[check.failed[check.failed_length - 1]];
    if (decision->condition)
        decision->complete &=
            theorem_result_add_counterexample(result, decision->last->classes.mnemonic);
    return finding;
}

/* Why the construction fails although the classes promise that it will not. */
static bool explain_failure(struct decision *decision)
{
    struct vmm_theorem_result *result = decision->result;
    if (decision->modules)
        return theorem_result_set_reason(result,
                                         "the VMM with the replaced modules is not a VMM of the "
                                         "machine, whose classes allow one");
    if (result->levels > 1 && decision->last->reads_clock)
        return theorem_result_set_reason(
            result,
            "the VMM depends on timing: it simulates %s, which reads T, and inside another VMM it "
            "does not know of all the steps made",
            result->counterexamples[0]);
    return theorem_result_set_reason(
        result,
        "the classes allow a VMM, but the one constructed here is not equivalent at %s; the "
        "definitions leave out what memory-traps in one mode only",
        result->counterexamples[0]);
}

static void conclude(struct decision *decision, enum formal_finding finding)
{
    struct vmm_theorem_result *result = decision->result;
    if (!decision->condition) {
        result->holds = VMM_VERDICT_FALSE;
        if (finding == FORMAL_HOLDS)
            decision->complete &= theorem_result_set_reason(
                result, "the condition is not met, though no sequence tried tells the VM from the "
                        "machine");
        return;
    }
    if (finding == FORMAL_FAILS) {
        result->holds = VMM_VERDICT_FALSE;
        decision->complete &= explain_failure(decision);
    } else if (finding == FORMAL_BOUND) {
        decision->complete &= theorem_result_set_reason(
            result,
            "no counterexample, but the limit of %llu checks was reached; raise it, or try "
            "shorter sequences",
            (unsigned long long)decision->machine->limits.max_checks);
    } else {
        result->holds = VMM_VERDICT_TRUE;
    }
}

struct vmm_theorem_result *vmm_theorem_decide(struct vmm_formal_machine *machine, int number,
                                              const struct vmm_theorem_modules *modules,
                                              struct vmm_theorem_error *error)
{
    struct vmm_theorem_result *result =
        theorem_result_create(number, machine->name, machine->instruction_count, error);
    if (!result)
        return NULL;
    struct decision decision = {machine, modules, result, true, true, NULL};
    formal_classify(machine);
    result->formal = true;
    result->states = machine->states;
    result->length = machine->limits.length;
    decide_condition(&decision);
    enum formal_finding finding = check(&decision, 1, number == 3);
    if (number == 2 && decision.condition && finding == FORMAL_HOLDS)
        finding = check(&decision, 2, false);
    conclude(&decision, finding);
    if (decision.complete)
        return result;
    vmm_theorem_result_free(result);
    theorem_error_set(error, "there is no memory for theorem %d's result; close other programs",
                      number);
    return NULL;
}
