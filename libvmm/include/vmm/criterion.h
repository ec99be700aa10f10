/** @file
 * Assertions for Criterion, for a test suite of your own: that an instruction of a real instruction
 * set is privileged, sensitive or innocuous (Popek and Goldberg, CACM 17(7), 1974), and that a
 * theorem holds, or fails by a given counterexample, for an instruction set or a formal machine.
 *
 * Each comes as vmm_assert_..., which ends the test, and vmm_expect_..., which does not. On failure
 * they say what was found instead. `instruction` is text as vmm_classify_text() takes it ("popf",
 * "mov eax, cs") or, if that is not known, an encoding in hexadecimal ("9d"). A text that names
 * several forms stands for all of them in "privileged" and "innocuous", and for at least one in the
 * others. `machine` is the path of a formal machine's file or the name of one that comes with the
 * library.
 *
 *     cc test.c $(pkg-config --cflags --libs libvmm criterion)
 *
 * This header is not part of vmm/vmm.h, since it needs Criterion. */
#ifndef VMM_CRITERION_H
#define VMM_CRITERION_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/classify.h"
#include "vmm/theorem.h"

/** What is asserted of an instruction. */
enum vmm_claim {
    VMM_CLAIM_PRIVILEGED,     /**< privileged, whatever the state */
    VMM_CLAIM_CONDITIONALLY,  /**< privileged under a condition only */
    VMM_CLAIM_SENSITIVE,      /**< control, location or mode sensitive */
    VMM_CLAIM_USER_SENSITIVE, /**< sensitive from a user state */
    VMM_CLAIM_VIOLATES,       /**< sensitive and not privileged under any condition */
    VMM_CLAIM_INNOCUOUS,      /**< not sensitive */
};

/** Does `record` fulfil `claim`? */
static inline bool vmm_claim_of(const struct vmm_class_record *record, enum vmm_claim claim)
{
    if (record->failure)
        return false;
    switch (claim) {
    case VMM_CLAIM_PRIVILEGED: return record->privileged;
    case VMM_CLAIM_CONDITIONALLY: return record->conditionally_privileged;
    case VMM_CLAIM_SENSITIVE: return record->sensitive;
    case VMM_CLAIM_USER_SENSITIVE: return record->user_sensitive;
    case VMM_CLAIM_VIOLATES:
        return record->sensitive && !record->privileged && !record->conditionally_privileged;
    case VMM_CLAIM_INNOCUOUS: return record->innocuous;
    }
    return false;
}

/** Classifies `instruction` of `isa` and says whether `claim` is true of it. `why` (`size` bytes)
 * gets what was found instead, or why nothing was. */
static inline bool vmm_claim_holds(const char *isa, const char *instruction, enum vmm_claim claim,
                                   char *why, size_t size)
{
    char error[256] = "";
    struct vmm_classification *c = vmm_classify_text(isa, instruction, NULL, why, size);
    if (!c)
        c = vmm_classify_bytes(isa, instruction, NULL, error, sizeof error);
    if (!c)
        return false;
    size_t count = vmm_classification_count(c), good = 0, shown = 0;
    bool every = claim == VMM_CLAIM_PRIVILEGED || claim == VMM_CLAIM_INNOCUOUS;
    for (size_t i = 0; i < count; i++) {
        bool fits = vmm_claim_of(&vmm_classification_records(c)[i], claim);
        good += fits;
        if (!fits)
            shown = i;
    }
    char *text = vmm_classification_explain(c, shown);
    snprintf(why, size, "%s", text ? text : "no memory");
    free(text);
    vmm_classification_free(c);
    return every ? good == count : good > 0;
}

/** Decides theorem `number` for the instruction set `isa` or, if that is NULL, for the formal
 * machine `machine`. `counterexample` NULL: true if the theorem holds; else true if it fails and
 * this mnemonic is among the counterexamples. `why` as for vmm_claim_holds(). */
static inline bool vmm_theorem_verdict(int number, const char *isa, const char *machine,
                                       const char *counterexample, char *why, size_t size)
{
    struct vmm_theorem_error error = {0, 0, ""};
    struct vmm_classification *classes = NULL;
    struct vmm_formal_machine *formal = NULL;
    struct vmm_theorem_result *result = NULL;
    const char *name = NULL, *text = NULL;
    size_t length = 0;

    for (unsigned i = 0; machine && (name = vmm_theorem_shipped(i, &text, &length)); i++)
        if (strcmp(name, machine) == 0)
            break;
    if (isa)
        classes = vmm_classify(isa, NULL, error.message, sizeof error.message);
    else if (name)
        formal = vmm_theorem_load(text, length, NULL, &error);
    else
        formal = vmm_theorem_load_file(machine, NULL, &error);
    if (classes)
        result = vmm_theorem_decide_classes(isa, vmm_classification_records(classes),
                                            vmm_classification_count(classes), number, &error);
    else if (formal)
        result = vmm_theorem_decide(formal, number, NULL, &error);
    bool good = result && result->holds == (counterexample ? VMM_VERDICT_FALSE : VMM_VERDICT_TRUE);
    bool found = !counterexample;
    for (size_t i = 0; good && !found && i < result->counterexample_count; i++)
        found = strcmp(result->counterexamples[i], counterexample) == 0;
    char *json = result ? vmm_theorem_json(result) : NULL;
    snprintf(why, size, "%s", json ? json : error.message);
    free(json);
    vmm_theorem_result_free(result);
    vmm_theorem_unload(formal);
    vmm_classification_free(classes);
    return good && found;
}

/** Common part of the assertions about an instruction; `kind` is assert or expect. */
#define VMM_CHECK_CLAIM(kind, isa, instruction, claim, words)                                      \
    do {                                                                                           \
        char vmm_why_[4096];                                                                       \
        bool vmm_good_ = vmm_claim_holds(isa, instruction, claim, vmm_why_, sizeof vmm_why_);      \
        cr_##kind(vmm_good_, "%s: %s is not %s:\n%s", isa, instruction, words, vmm_why_);          \
    } while (0)

/** Common part of the assertions about a theorem. */
#define VMM_CHECK_THEOREM(kind, number, isa, machine, counterexample, words)                       \
    do {                                                                                           \
        char vmm_why_[4096];                                                                       \
        bool vmm_good_ =                                                                           \
            vmm_theorem_verdict(number, isa, machine, counterexample, vmm_why_, sizeof vmm_why_);  \
        cr_##kind(vmm_good_, "Theorem %d does not %s:\n%s", number, words, vmm_why_);              \
    } while (0)

/** The instruction is privileged: it traps in user mode and executes in supervisor mode. */
#define vmm_assert_privileged(isa, instruction)                                                    \
    VMM_CHECK_CLAIM(assert, isa, instruction, VMM_CLAIM_PRIVILEGED, "privileged")
/** As vmm_assert_privileged(), and the test goes on. */
#define vmm_expect_privileged(isa, instruction)                                                    \
    VMM_CHECK_CLAIM(expect, isa, instruction, VMM_CLAIM_PRIVILEGED, "privileged")

/** The instruction is privileged under a condition (x86: CPL > IOPL). */
#define vmm_assert_conditionally_privileged(isa, instruction)                                      \
    VMM_CHECK_CLAIM(assert, isa, instruction, VMM_CLAIM_CONDITIONALLY, "conditionally privileged")
/** As vmm_assert_conditionally_privileged(), and the test goes on. */
#define vmm_expect_conditionally_privileged(isa, instruction)                                      \
    VMM_CHECK_CLAIM(expect, isa, instruction, VMM_CLAIM_CONDITIONALLY, "conditionally privileged")

/** The instruction is control, location or mode sensitive. */
#define vmm_assert_sensitive(isa, instruction)                                                     \
    VMM_CHECK_CLAIM(assert, isa, instruction, VMM_CLAIM_SENSITIVE, "sensitive")
/** As vmm_assert_sensitive(), and the test goes on. */
#define vmm_expect_sensitive(isa, instruction)                                                     \
    VMM_CHECK_CLAIM(expect, isa, instruction, VMM_CLAIM_SENSITIVE, "sensitive")

/** The instruction is sensitive from a user state. */
#define vmm_assert_user_sensitive(isa, instruction)                                                \
    VMM_CHECK_CLAIM(assert, isa, instruction, VMM_CLAIM_USER_SENSITIVE, "user sensitive")
/** As vmm_assert_user_sensitive(), and the test goes on. */
#define vmm_expect_user_sensitive(isa, instruction)                                                \
    VMM_CHECK_CLAIM(expect, isa, instruction, VMM_CLAIM_USER_SENSITIVE, "user sensitive")

/** The instruction violates Theorem 1's premise: sensitive and not privileged. */
#define vmm_assert_violates_theorem_1(isa, instruction)                                            \
    VMM_CHECK_CLAIM(assert, isa, instruction, VMM_CLAIM_VIOLATES, "sensitive and unprivileged")
/** As vmm_assert_violates_theorem_1(), and the test goes on. */
#define vmm_expect_violates_theorem_1(isa, instruction)                                            \
    VMM_CHECK_CLAIM(expect, isa, instruction, VMM_CLAIM_VIOLATES, "sensitive and unprivileged")

/** The instruction is innocuous. */
#define vmm_assert_innocuous(isa, instruction)                                                     \
    VMM_CHECK_CLAIM(assert, isa, instruction, VMM_CLAIM_INNOCUOUS, "innocuous")
/** As vmm_assert_innocuous(), and the test goes on. */
#define vmm_expect_innocuous(isa, instruction)                                                     \
    VMM_CHECK_CLAIM(expect, isa, instruction, VMM_CLAIM_INNOCUOUS, "innocuous")

/** Theorem `number` holds for the instruction set. */
#define vmm_assert_theorem_holds(number, isa)                                                      \
    VMM_CHECK_THEOREM(assert, number, isa, NULL, NULL, "hold")
/** As vmm_assert_theorem_holds(), and the test goes on. */
#define vmm_expect_theorem_holds(number, isa)                                                      \
    VMM_CHECK_THEOREM(expect, number, isa, NULL, NULL, "hold")

/** Theorem `number` fails for the instruction set, and `counterexample` is one reason. */
#define vmm_assert_theorem_fails(number, isa, counterexample)                                      \
    VMM_CHECK_THEOREM(assert, number, isa, NULL, counterexample, "fail by " counterexample)
/** As vmm_assert_theorem_fails(), and the test goes on. */
#define vmm_expect_theorem_fails(number, isa, counterexample)                                      \
    VMM_CHECK_THEOREM(expect, number, isa, NULL, counterexample, "fail by " counterexample)

/** Theorem `number` holds for the formal machine: every state and sequence was tried. */
#define vmm_assert_machine_holds(number, machine)                                                  \
    VMM_CHECK_THEOREM(assert, number, NULL, machine, NULL, "hold")
/** As vmm_assert_machine_holds(), and the test goes on. */
#define vmm_expect_machine_holds(number, machine)                                                  \
    VMM_CHECK_THEOREM(expect, number, NULL, machine, NULL, "hold")

/** Theorem `number` fails for the formal machine, and `counterexample` is one reason. */
#define vmm_assert_machine_fails(number, machine, counterexample)                                  \
    VMM_CHECK_THEOREM(assert, number, NULL, machine, counterexample, "fail by " counterexample)
/** As vmm_assert_machine_fails(), and the test goes on. */
#define vmm_expect_machine_fails(number, machine, counterexample)                                  \
    VMM_CHECK_THEOREM(expect, number, NULL, machine, counterexample, "fail by " counterexample)

#endif
