/* Popek and Goldberg's theorems, decided: the paper's verdicts for the machines that come with the
 * library, the verdicts changing with the machine, VMMs with a broken module, and the verdicts that
 * class records of a real instruction set give (CACM 17(7), 1974; Theorems 1 to 3). */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/theorem.h"

static struct vmm_theorem_error error;

static const char *shipped(const char *name)
{
    static char copy[4096];
    const char *text, *found;
    size_t length;
    for (unsigned i = 0; (found = vmm_theorem_shipped(i, &text, &length)); i++) {
        if (strcmp(found, name) != 0)
            continue;
        snprintf(copy, sizeof copy, "%.*s", (int)length, text);
        return copy;
    }
    cr_assert_fail("no machine %s", name);
    return NULL;
}

/* The text with one part of it changed; the part has to be there. */
static const char *edit(const char *text, const char *part, const char *other)
{
    static char edited[4096];
    const char *place = strstr(text, part);
    cr_assert_not_null(place, "no '%s'", part);
    snprintf(edited, sizeof edited, "%.*s%s%s", (int)(place - text), text, other,
             place + strlen(part));
    return edited;
}

static struct vmm_formal_machine *load(const char *text, unsigned length)
{
    struct vmm_theorem_limits limits = {.length = length};
    struct vmm_formal_machine *machine = vmm_theorem_load(text, strlen(text), &limits, &error);
    cr_assert_not_null(machine, "%s", error.message);
    return machine;
}

static struct vmm_theorem_result *decide(struct vmm_formal_machine *machine, int number)
{
    struct vmm_theorem_result *result = vmm_theorem_decide(machine, number, NULL, &error);
    cr_assert_not_null(result, "%s", error.message);
    cr_assert_eq(result->theorem, number);
    return result;
}

/* `verdicts` is "TFU": true, false, undecided for Theorems 1, 2 and 3; a false one names only
 * `counterexample` and comes with a trace. */
static void expect(const char *text, const char *verdicts, const char *counterexample)
{
    struct vmm_formal_machine *machine = load(text, 1);
    for (int number = 1; number <= 3; number++) {
        struct vmm_theorem_result *result = decide(machine, number);
        bool holds = verdicts[number - 1] == 'T';
        cr_assert_eq(result->holds, holds ? VMM_VERDICT_TRUE : VMM_VERDICT_FALSE,
                     "Theorem %d of %s", number, vmm_theorem_machine_name(machine));
        cr_assert_eq(result->counterexample_count, holds ? 0 : 1);
        if (!holds)
            cr_assert_str_eq(result->counterexamples[0], counterexample);
        cr_assert_eq(result->trace_count > 0, !holds);
        vmm_theorem_result_free(result);
    }
    vmm_theorem_unload(machine);
}

/* ---- the shipped machines, and changes to them ---- */

Test(theorem, third_generation_is_virtualizable)
{
    expect(shipped("third_generation"), "TTT", NULL);
}

/* PDP-10: "JRST 1 ... is supervisor control sensitive but not privileged"; a hybrid VMM exists. */
Test(theorem, jrst_1_leaves_a_hybrid_vmm)
{
    expect(shipped("pdp10"), "FFT", "jrst1");
}

Test(theorem, a_user_sensitive_instruction_leaves_nothing)
{
    expect(shipped("store_base"), "FFF", "sbase");
}

Test(theorem, a_clock_disturbs_recursion_alone)
{
    expect(shipped("clocked"), "TFT", "rdclk");
}

Test(theorem, the_shipped_machines_are_four)
{
    const char *text;
    size_t length;
    for (unsigned i = 0; i < 4; i++) {
        const char *name = vmm_theorem_shipped(i, &text, &length);
        struct vmm_formal_machine *machine = vmm_theorem_load(text, length, NULL, &error);
        cr_assert_not_null(machine, "%s: %s", name, error.message);
        cr_assert_str_eq(vmm_theorem_machine_name(machine), name);
        vmm_theorem_unload(machine);
        cr_assert_eq(vmm_theorem_shipped(i, NULL, NULL), name);
    }
    cr_assert_null(vmm_theorem_shipped(4, &text, &length));
}

static const struct {
    const char *machine, *part, *other, *verdicts, *counterexample;
} edits[] = {
    /* A privileged instruction that no longer traps in u. */
    {"third_generation", "when m = u: trap\n    otherwise: psw := E[0]", "otherwise: psw := E[0]",
     "FFF", "lpsw"},
    {"third_generation", "when m = u: trap\n    otherwise: l := 2", "otherwise: l := 2", "FFF",
     "setr"},
    /* It does nothing in u: the classical way of being supervisor sensitive (x86's POPF). */
    {"third_generation", "when m = u: trap\n    otherwise: l := 2", "when m = s: l := 2", "FFT",
     "setr"},
    /* An innocuous instruction that begins to look at M, and at l. */
    {"third_generation", "E[0] + 1", "E[0] + m", "FFT", "inc"},
    {"third_generation", "E[0] + 1", "E[0] + l", "FFF", "inc"},
    /* JRST 1 made privileged, and made a jump that leaves M alone. */
    {"pdp10", "otherwise: m := u", "when m = u: trap otherwise: m := u", "TTT", NULL},
    {"pdp10", "m := u, p := 0", "p := 0", "TTT", NULL},
    /* JRST 1 that sets l as well is user sensitive. */
    {"pdp10", "m := u, p := 0", "m := u, l := 2", "FFF", "jrst1"},
    /* Store base made privileged, and made to store the bound, which is the VM's own. */
    {"store_base", "otherwise: E[0] := l", "when m = u: trap otherwise: E[0] := l", "TTT", NULL},
    {"store_base", "E[0] := l", "E[0] := b", "TTT", NULL},
    /* Only supervisor programs see it. */
    {"store_base", "otherwise: E[0] := l", "when m = s: E[0] := l", "FFT", "sbase"},
    /* Without a look at the clock the VMM has no timing dependency. */
    {"clocked", "E[0] := t", "E[0] := 0", "TTT", NULL},
    /* Nor has it if nobody traps to read the clock: equivalence is but for timing then. */
    {"clocked", "when m = u: trap\n    otherwise: E[0] := t", "otherwise: E[0] := t", "TTT", NULL},
    /* The clock makes R depend on time: simulated by a VMM in a VM it comes out wrong. */
    {"clocked", "l := 2, b := 1", "l := 2 * (t = 1), b := 1", "TFT", "setr"},
};

Test(theorem, verdicts_change_with_the_machine)
{
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        const char *text = edit(shipped(edits[i].machine), edits[i].part, edits[i].other);
        char once[4096];
        snprintf(once, sizeof once, "%s", text);
        if (strstr(edits[i].other, "t = 1")) /* rdclk would be a second counterexample */
            text = edit(once, "E[0] := t", "E[0] := 0");
        expect(text, edits[i].verdicts, edits[i].counterexample);
    }
}

Test(theorem, an_uninterceptable_clock_is_a_condition)
{
    struct vmm_formal_machine *machine =
        load(edit(shipped("clocked"), "when m = u: trap\n    otherwise: E[0] := t",
                  "otherwise: E[0] := t"),
             2);
    struct vmm_theorem_result *result = decide(machine, 1);
    cr_assert_str_eq(result->conditions, "but for timing: rdclk reads T and is not privileged");
    vmm_theorem_result_free(result);
    vmm_theorem_unload(machine);
}

/* What the definitions leave out: "does not memory-trap in either". In s the copy reaches beyond
 * the bound, in u it does not, and no pair of states counts. */
Test(theorem, the_construction_has_the_last_word)
{
    struct vmm_formal_machine *machine =
        load(edit(shipped("third_generation"), "E[2] := E[0]", "E[7 * m] := E[0]"), 1);
    const struct vmm_class_record *copy = vmm_theorem_classes(machine, 4);
    cr_assert_str_eq(copy->mnemonic, "copy");
    cr_assert(copy->innocuous);
    struct vmm_theorem_result *result = decide(machine, 1);
    cr_assert_eq(result->holds, VMM_VERDICT_FALSE);
    cr_assert_str_eq(result->counterexamples[0], "copy");
    cr_assert_not_null(strstr(result->reason, "memory-traps in one mode only"));
    vmm_theorem_result_free(result);
    vmm_theorem_unload(machine);
}

/* ---- traces ---- */

static void expect_line(const struct vmm_theorem_result *result, size_t index, const char *line)
{
    cr_assert(index < result->trace_count);
    cr_assert_str_eq(result->trace[index], line);
}

Test(theorem, the_trace_shows_both_worlds)
{
    struct vmm_formal_machine *machine = load(shipped("clocked"), 2);
    struct vmm_theorem_result *result = decide(machine, 2);
    cr_assert_eq(result->levels, 2);
    cr_assert_eq(result->trace_count, 7);
    expect_line(result, 0, "S    = <E=(0,0,0), M=s, P=0, R=(0,1), T=0>");
    expect_line(result, 1,
                "f(S) = <E=(0,0,0), M=u, P=0, R=(8,1), T=0>, VMM 1: virtual M=u, 0 steps, "
                "VMM 2: virtual M=s, 0 steps");
    expect_line(result, 2, "rdclk: trap: D1 A D2 v_rdclk A D1 A");
    expect_line(result, 3, "  e(S)     = <E=(0,0,0), M=s, P=0, R=(0,1), T=1>");
    expect_line(result, 4,
                "  e'(f(S)) = <E=(1,0,0), M=u, P=0, R=(8,1), T=0>, VMM 1: virtual M=u, 2 steps, "
                "VMM 2: virtual M=s, 1 steps");
    expect_line(result, 5,
                "  f(e(S))  = <E=(0,0,0), M=u, P=0, R=(8,1), T=0>, VMM 1: virtual M=u, 2 steps, "
                "VMM 2: virtual M=s, 1 steps");
    expect_line(result, 6, "equivalence is lost: the two differ in E[0]");
    vmm_theorem_result_free(result);
    vmm_theorem_unload(machine);
}

Test(theorem, a_vm_that_sets_r_takes_control_of_the_resources)
{
    struct vmm_formal_machine *machine =
        load(edit(shipped("third_generation"), "when m = u: trap\n    otherwise: l := 2, b := 1",
                  "otherwise: l := 0"),
             1);
    struct vmm_theorem_result *result = decide(machine, 1);
    cr_assert(result->trace_count > 0);
    cr_assert_eq(strncmp(result->trace[result->trace_count - 1],
                         "resource control is lost: the VM runs with M'=u, R'=(0,",
                         strlen("resource control is lost: the VM runs with M'=u, R'=(0,")),
                 0, "%s", result->trace[result->trace_count - 1]);
    vmm_theorem_result_free(result);
    vmm_theorem_unload(machine);
}

/* ---- modules replaced ---- */

static unsigned lpsw_calls;

/* v_lpsw that forgets to load the virtual mode. */
static bool forget_mode(void *context, const char *instruction, struct vmm_formal_state *state)
{
    (void)context;
    if (strcmp(instruction, "lpsw") != 0)
        return false;
    lpsw_calls++;
    cr_assert_eq(state->storage, 3);
    cr_assert_eq(state->values, 16);
    cr_assert(state->supervisor); /* a privileged instruction is simulated for supervisor mode */
    unsigned psw = state->cells[state->l]; /* E[0] of the window */
    state->b = psw % 2 ? 3 : 1;
    state->l = psw / 2 % 2 ? 2 : 0;
    state->p = psw / 4 % 2;
    return true;
}

/* The same, right. */
static bool load_psw(void *context, const char *instruction, struct vmm_formal_state *state)
{
    unsigned psw = state->cells[state->l];
    if (!forget_mode(context, instruction, state))
        return false;
    state->supervisor = psw / 8;
    return true;
}

/* An allocator that gives the VM the real machine's low storage. */
static void give_everything(void *context, unsigned displacement, unsigned *l, unsigned *b)
{
    (void)context;
    (void)displacement;
    (void)l;
    (void)b;
}

/* A v_i that goes wrong at its tenth call: what it does is no function of the state. */
static bool tire(void *context, const char *instruction, struct vmm_formal_state *state)
{
    unsigned *calls = context;
    (void)instruction;
    if (++*calls != 10)
        return false;
    state->p = 1 - state->p;
    return true;
}

static enum vmm_verdict with_modules(struct vmm_theorem_modules modules, int number,
                                     const char *says)
{
    struct vmm_formal_machine *machine = load(shipped("third_generation"), 2);
    struct vmm_theorem_result *result = vmm_theorem_decide(machine, number, &modules, &error);
    cr_assert_not_null(result);
    enum vmm_verdict holds = result->holds;
    if (holds == VMM_VERDICT_FALSE) {
        cr_assert_not_null(strstr(result->reason, "replaced modules"));
        cr_assert_not_null(strstr(result->trace[result->trace_count - 1], says), "%s",
                           result->trace[result->trace_count - 1]);
    }
    vmm_theorem_result_free(result);
    vmm_theorem_unload(machine);
    return holds;
}

Test(theorem, a_broken_routine_breaks_the_homomorphism)
{
    struct vmm_theorem_modules modules = {.routine = forget_mode};
    cr_assert_eq(with_modules(modules, 1, "differ in M"), VMM_VERDICT_FALSE);
    cr_assert_eq(with_modules(modules, 3, "differ in M"), VMM_VERDICT_FALSE);
    cr_assert(lpsw_calls > 0);
}

Test(theorem, a_right_routine_keeps_the_homomorphism)
{
    struct vmm_theorem_modules modules = {.routine = load_psw};
    cr_assert_eq(with_modules(modules, 1, ""), VMM_VERDICT_TRUE);
    cr_assert_eq(with_modules(modules, 2, ""), VMM_VERDICT_TRUE);
    cr_assert_eq(with_modules(modules, 3, ""), VMM_VERDICT_TRUE);
    cr_assert(lpsw_calls > 0);
}

Test(theorem, a_broken_allocator_loses_resource_control)
{
    struct vmm_theorem_modules modules = {.allocator = give_everything};
    cr_assert_eq(with_modules(modules, 1, "resource control is lost"), VMM_VERDICT_FALSE);
}

Test(theorem, a_module_with_a_memory_is_caught)
{
    unsigned calls = 0;
    struct vmm_theorem_modules modules = {.context = &calls, .routine = tire};
    cr_assert_eq(with_modules(modules, 1, "the replay agrees"), VMM_VERDICT_FALSE);
}

/* ---- bounds ---- */

Test(theorem, a_bound_reached_is_not_true)
{
    const char *text = shipped("third_generation");
    /* 65536 states and 6 instructions: this is one check short of one instruction each. */
    struct vmm_theorem_limits limits = {.max_checks = 65536 * 6 - 1, .length = 1};
    struct vmm_formal_machine *machine = vmm_theorem_load(text, strlen(text), &limits, &error);
    struct vmm_theorem_result *result = decide(machine, 1);
    cr_assert_eq(result->holds, VMM_VERDICT_UNDECIDED);
    cr_assert_not_null(strstr(result->reason, "limit of 393215 checks"));
    cr_assert_eq(result->checks, 65536 * 6 - 1);
    cr_assert_eq(result->counterexample_count, 0);
    char *json = vmm_theorem_json(result);
    cr_assert_not_null(strstr(json, "\"holds\": null"));
    free(json);
    vmm_theorem_result_free(result);
    vmm_theorem_unload(machine);

    limits.max_checks++;
    machine = vmm_theorem_load(text, strlen(text), &limits, &error);
    result = decide(machine, 1);
    cr_assert_eq(result->holds, VMM_VERDICT_TRUE);
    vmm_theorem_result_free(result);
    result = decide(machine, 2); /* level 1 uses all of them up */
    cr_assert_eq(result->holds, VMM_VERDICT_UNDECIDED);
    vmm_theorem_result_free(result);
    vmm_theorem_unload(machine);
}

Test(theorem, other_theorems_do_not_exist)
{
    struct vmm_formal_machine *machine = load(shipped("pdp10"), 1);
    cr_assert_null(vmm_theorem_decide(machine, 0, NULL, &error));
    cr_assert_null(vmm_theorem_decide(machine, 4, NULL, &error));
    cr_assert_str_eq(error.message, "there is no theorem 4; ask for 1, 2 or 3");
    cr_assert_null(vmm_theorem_decide_classes("x86-32", NULL, 0, 9, NULL));
    vmm_theorem_unload(machine);
    vmm_theorem_unload(NULL);
    vmm_theorem_result_free(NULL);
}

/* ---- class records of a real instruction set ---- */

#define X86(name, ...)                                                                             \
    {                                                                                              \
        .isa = "x86-32", .mnemonic = name, .form = name, __VA_ARGS__                               \
    }

static const struct vmm_class_record records[] = {
    X86("add", .innocuous = true, .invariant = "IOPL < CPL"),
    X86("lgdt", .privileged = true, .control_sensitive = true, .supervisor_sensitive = true,
        .sensitive = true, .invariant = "IOPL < CPL"),
    X86("popf", .mode_sensitive = true, .supervisor_sensitive = true, .sensitive = true,
        .invariant = "IOPL < CPL"),
    X86("sgdt", .location_sensitive = true, .user_sensitive = true, .supervisor_sensitive = true,
        .sensitive = true, .invariant = "IOPL < CPL"),
    X86("sgdt", .location_sensitive = true, .user_sensitive = true, .supervisor_sensitive = true,
        .sensitive = true, .invariant = "IOPL < CPL"),
};

static const struct vmm_class_record cli =
    X86("cli", .conditionally_privileged = true, .condition = "CPL > IOPL",
        .control_sensitive = true, .user_sensitive = true, .sensitive = true);
static const struct vmm_class_record crashed = X86("wrmsr", .failure = "the engine crashed");

/* The verdict as JSON on one line. */
static char *decided(const struct vmm_class_record *list, size_t count, int number)
{
    struct vmm_theorem_result *result =
        vmm_theorem_decide_classes("x86-32", list, count, number, &error);
    cr_assert_not_null(result);
    cr_assert_eq(result->record_count, count);
    char *json = vmm_theorem_json(result);
    json_t *parsed = json_loads(json, 0, NULL);
    cr_assert_not_null(parsed);
    char *line = json_dumps(parsed, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(parsed);
    free(json);
    vmm_theorem_result_free(result);
    return line;
}

Test(theorem, class_records_decide)
{
    char *line = decided(records, 5, 1);
    cr_assert_str_eq(line, "{\"conditions\":\"IOPL < CPL\",\"counterexamples\":[\"popf\",\"sgdt\"],"
                           "\"holds\":false,\"isa\":\"x86-32\",\"theorem\":1}");
    free(line);
    line = decided(records, 5, 3);
    cr_assert_str_eq(line, "{\"conditions\":\"IOPL < CPL\",\"counterexamples\":[\"sgdt\"],"
                           "\"holds\":false,\"isa\":\"x86-32\",\"theorem\":3}");
    free(line);
    line = decided(records, 5, 2);
    cr_assert_str_eq(line, "{\"conditions\":\"IOPL < CPL\",\"counterexamples\":[\"popf\",\"sgdt\"],"
                           "\"holds\":false,\"isa\":\"x86-32\",\"theorem\":2}");
    free(line);
}

Test(theorem, records_without_a_counterexample)
{
    char *line = decided(records, 2, 1);
    cr_assert_not_null(strstr(line, "\"holds\":true"));
    free(line);
    line = decided(records, 3, 3); /* popf is not user sensitive under the invariant */
    cr_assert_not_null(strstr(line, "\"holds\":true"));
    free(line);
    line = decided(records, 2, 2);
    cr_assert_not_null(strstr(line, "\"holds\":null"));
    cr_assert_not_null(strstr(line, "\"reason\":\"Theorem 1 holds, but"));
    free(line);
}

Test(theorem, conditional_privilege_is_a_condition)
{
    char *line = decided(&cli, 1, 1);
    cr_assert_str_eq(line, "{\"conditions\":\"CPL > IOPL\",\"counterexamples\":[],\"holds\":true,"
                           "\"isa\":\"x86-32\",\"theorem\":1}");
    free(line);
    struct vmm_class_record list[] = {cli, records[2]}; /* what fails does not fail by it */
    line = decided(list, 2, 1);
    cr_assert_not_null(
        strstr(line, "\"conditions\":\"IOPL < CPL\",\"counterexamples\":[\"popf\"]"));
    free(line);
}

Test(theorem, no_verdict_on_an_instruction_leaves_the_theorem_open)
{
    struct vmm_class_record list[] = {records[0], crashed, records[2]};
    char *line = decided(list, 2, 1);
    cr_assert_not_null(strstr(line, "\"holds\":null"));
    cr_assert_not_null(strstr(line, "1 of 2 instructions have no verdict, wrmsr the first"));
    free(line);
    line = decided(list, 3, 1); /* a counterexample settles it */
    cr_assert_not_null(strstr(line, "\"holds\":false"));
    free(line);
    line = decided(NULL, 0, 1);
    cr_assert_not_null(strstr(line, "\"holds\":null"));
    free(line);
}

Test(theorem, json_of_a_formal_machine)
{
    struct vmm_formal_machine *machine = load(shipped("pdp10"), 1);
    struct vmm_theorem_result *result = decide(machine, 1);
    char *text = vmm_theorem_json(result);
    json_t *json = json_loads(text, 0, NULL);
    int theorem, states, levels;
    const char *isa, *counterexample, *first, *mnemonic;
    int holds, privileged;
    cr_assert_eq(json_unpack(json, "{s:i s:s s:b s:[s] s:n s:i s:i s:[s*] s:[{s:s s:b}*]}",
                             "theorem", &theorem, "isa", &isa, "holds", &holds, "counterexamples",
                             &counterexample, "conditions", "states", &states, "levels", &levels,
                             "trace", &first, "instructions", "mnemonic", &mnemonic, "privileged",
                             &privileged),
                 0, "%s", text);
    cr_assert_eq(theorem, 1);
    cr_assert_str_eq(isa, "pdp10");
    cr_assert_eq(holds, 0);
    cr_assert_str_eq(counterexample, "jrst1");
    cr_assert_eq(states, 65536);
    cr_assert_eq(levels, 1);
    cr_assert_eq(strncmp(first, "S    = <", 8), 0);
    cr_assert_str_eq(mnemonic, "lpsw");
    cr_assert_eq(privileged, 1);
    json_decref(json);
    free(text);
    vmm_theorem_result_free(result);
    vmm_theorem_unload(machine);
}
