/* The theorems decided for a real instruction set, from the classes of its instructions. Whether a
 * VMM's timing matters cannot be seen from classes: Theorem 2 is false without Theorem 1, and
 * otherwise it is left open. */
#include "theorem_result.h"

/* The conditions under which the sensitive instructions are privileged, where that is what a
 * theorem holds by. False when there is no memory. */
static bool add_conditions(struct vmm_theorem_result *result)
{
    bool complete = true;
    for (size_t i = 0; i < result->record_count; i++) {
        const struct vmm_class_record *record = result->records[i];
        bool sensitive = result->theorem == 3 ? record->user_sensitive : record->sensitive;
        if (sensitive && !record->privileged && record->condition)
            complete &= theorem_result_add_condition(result, record->condition);
    }
    return complete;
}

/* Takes note of one record's part in the decision. False when there is no memory. */
static bool weigh(struct vmm_theorem_result *result, const struct vmm_class_record *record)
{
    bool sensitive = result->theorem == 3 ? record->user_sensitive : record->sensitive;
    result->records[result->record_count++] = record;
    if (record->invariant && !theorem_result_add_condition(result, record->invariant))
        return false;
    if (record->failure || !sensitive || record->privileged || record->conditionally_privileged)
        return true;
    return theorem_result_add_counterexample(result, record->mnemonic);
}

static bool conclude(struct vmm_theorem_result *result, size_t failures, const char *first)
{
    if (result->counterexample_count) {
        result->holds = VMM_VERDICT_FALSE;
        return true;
    }
    if (!result->record_count)
        return theorem_result_set_reason(result, "there are no instructions; classify some first");
    if (failures)
        return theorem_result_set_reason(
            result,
            "no counterexample, but %zu of %zu instructions have no verdict, "
            "%s the first of them; classify them again",
            failures, result->record_count, first);
    if (result->theorem == 2)
        return theorem_result_set_reason(
            result, "Theorem 1 holds, but whether a VMM without timing dependencies "
                    "can be constructed is not decided by experiment");
    result->holds = VMM_VERDICT_TRUE;
    return add_conditions(result);
}

struct vmm_theorem_result *vmm_theorem_decide_classes(const char *isa,
                                                      const struct vmm_class_record *records,
                                                      size_t count, int number,
                                                      struct vmm_theorem_error *error)
{
    struct vmm_theorem_result *result = theorem_result_create(number, isa, count, error);
    if (!result)
        return NULL;
    bool complete = true;
    size_t failures = 0;
    const char *first = NULL;
    for (size_t i = 0; i < count; i++) {
        complete &= weigh(result, &records[i]);
        if (records[i].failure && !failures++)
            first = records[i].mnemonic;
    }
    if (complete && conclude(result, failures, first))
        return result;
    vmm_theorem_result_free(result);
    theorem_error_set(error, "there is no memory for theorem %d's result; close other programs",
                      number);
    return NULL;
}
