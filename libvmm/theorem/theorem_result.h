/* Building a theorem's result: its strings and lists, all of them in memory that the result owns.
 * Every function returns false when there is none left. */
#ifndef VMM_THEOREM_THEOREM_RESULT_H
#define VMM_THEOREM_THEOREM_RESULT_H

#include "vmm/theorem.h"

/* An undecided result without counterexamples; NULL with `error` set if `number` is no theorem's,
 * or there is no memory. `error` may be NULL. */
struct vmm_theorem_result *theorem_result_create(int number, const char *isa, size_t records,
                                                 struct vmm_theorem_error *error);
bool theorem_result_add_counterexample(struct vmm_theorem_result *result, const char *mnemonic);
bool theorem_result_add_trace(struct vmm_theorem_result *result, const char *line);
/* Adds to the conditions, which are a list with "; " between, what is not there yet. */
bool theorem_result_add_condition(struct vmm_theorem_result *result, const char *condition);
bool theorem_result_set_reason(struct vmm_theorem_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fills in an error that is no matter of a text's line. `error` may be NULL. */
void theorem_error_set(struct vmm_theorem_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
