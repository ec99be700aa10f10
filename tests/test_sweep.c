/* Whole encoding spaces, and that two runs of everything agree.
 *
 * MC68000: M68000 Family Programmer's Reference Manual, section 4, MOVE from SR (0100 0000 11
 * effective address): the one instruction of the MC68000 that shows the supervisor bit and does not
 * trap. ARM DDI 0406C, A6.2.6 and B9.3.2: CPS in Thumb is 1011 0110 011 im 0 A I F, a no-operation
 * in user mode. */
#include "vmm/classify.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool leaks(const struct vmm_class_record *r)
{
    return r->sensitive && !r->privileged && !r->conditionally_privileged;
}

static unsigned first_word(const struct vmm_class_record *r, bool little)
{
    unsigned a = 0, b = 0;

    cr_assert_eq(sscanf(r->bytes, "%2x%2x", &a, &b), 2);
    return little ? b << 8 | a : a << 8 | b;
}

static struct vmm_classification *sweep(const char *isa)
{
    struct vmm_classify_options options = {.sweep = true};
    char error[256] = "";
    struct vmm_classification *c = vmm_classify(isa, &options, error, sizeof error);

    cr_assert_not_null(c, "%s", error);
    return c;
}

/* The engine decodes MOVE from SR with any effective address but the immediate and the reserved
 * modes, so also with those that the manual leaves out (An, and relative to the PC). */
Test(sweep, m68000_violates_theorem_1_by_move_from_sr_only)
{
    if (!getenv("VMM_LONG"))
        cr_skip_test("65,536 instructions: make check-real has it");
    struct vmm_classification *c = sweep("m68000");
    const struct vmm_class_record *r = vmm_classification_records(c);
    bool seen[64] = {false};

    cr_expect_eq(vmm_classification_counts(c).tried, 0x10000);
    cr_expect_eq(vmm_classification_counts(c).failures, 0);
    for (size_t i = 0; i < vmm_classification_count(c); i++)
        if (leaks(&r[i])) {
            unsigned word = first_word(&r[i], false);

            cr_expect_eq(word & 0xffc0, 0x40c0, "%04x leaks", word);
            seen[word & 63] = true;
        }
    /* Modes 0, 2 to 6, and absolute short and long: what the manual has. */
    for (unsigned ea = 0; ea < 64; ea++)
        if (ea >> 3 != 1 && ea <= 0x39)
            cr_expect(seen[ea], "MOVE from SR with effective address %02x", ea);
    vmm_classification_free(c);
}

Test(sweep, thumb_violates_theorem_1_by_cps_only)
{
    if (!getenv("VMM_LONG"))
        cr_skip_test("65,536 instructions: make check-real has it");
    struct vmm_classification *c = sweep("armv7");
    const struct vmm_class_record *r = vmm_classification_records(c);
    unsigned found = 0;

    cr_expect_eq(vmm_classification_counts(c).tried, 0x10000);
    for (size_t i = 0; i < vmm_classification_count(c); i++)
        if (leaks(&r[i])) {
            cr_expect_eq(first_word(&r[i], true) & 0xffe8, 0xb660, "%s leaks", r[i].bytes);
            found++;
        }
    cr_expect_eq(found, 14, "A, I, F not all clear, enable or disable: %u", found);
    vmm_classification_free(c);
}

/* One that is tried on the machine, and some on the engine as it is; make check-real has all. (And
 * test_atlas.sh compares a run of all with an earlier one.) */
static bool is_quick(const char *isa)
{
    static const char *const quick[] = {"x86-32-svm", "armv7", "riscv64", "m68000", "s390x"};
    for (size_t i = 0; i < sizeof quick / sizeof *quick; i++)
        if (!strcmp(isa, quick[i]))
            return true;
    return false;
}

/* One worker, or three that take encodings in any order. */
Test(sweep, two_runs_of_every_list_give_the_same_json)
{
    const char *const *names;
    size_t count = vmm_classify_isas(&names);

    cr_expect_eq(count, 12, "eleven instruction sets and x86-32-svm");
    for (size_t i = 0; i < count; i++) {
        if (!getenv("VMM_LONG") && !is_quick(names[i]))
            continue;
        struct vmm_classify_options one = {.jobs = 1}, three = {.jobs = 3};
        struct vmm_classification *a = vmm_classify(names[i], &one, NULL, 0);
        struct vmm_classification *b = vmm_classify(names[i], &three, NULL, 0);

        cr_assert(a && b, "%s", names[i]);
        char *x = vmm_classification_json(a), *y = vmm_classification_json(b);
        cr_expect(strcmp(x, y) == 0, "%s differs", names[i]);
        cr_expect_null(strstr(x, "(null)"), "%s has a component without a name", names[i]);
        free(x);
        free(y);
        vmm_classification_free(a);
        vmm_classification_free(b);
    }
}
