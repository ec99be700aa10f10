/* Formal machines: the text format, the classes by Popek and Goldberg's definitions (CACM 17(7),
 * 1974, section 4), and what the homomorphism check counts. The expected classes and counts are
 * worked out by hand from the definitions; the machines are small enough for that. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/theorem.h"

/* Eight states: two cells and the PSW, and a PSW is a mode and nothing else (code 0 u, 1 s). */
#define TINY  "machine tiny storage 2 pc 1 relocation 0 bounds 2\n"
#define LPSW  "instruction lpsw when m = u: trap otherwise: psw := E[0]\n"
#define TIMED "machine timed storage 2 pc 1 relocation 0 bounds 2 timer 2\n"
#define INC   "instruction inc otherwise: E[0] := E[0] + 1\n"

/* Two places for a window of one cell, two values of P: 2 * 2 * 2 = 8 PSWs, 8^3 states. */
#define SMALL "machine small storage 2 pc 2 relocation 0, 1 bounds 1\n"

static struct vmm_theorem_error error;

static struct vmm_formal_machine *load_with(const char *text,
                                            const struct vmm_theorem_limits *limits)
{
    struct vmm_formal_machine *machine = vmm_theorem_load(text, strlen(text), limits, &error);
    cr_assert_not_null(machine, "%s", error.message);
    return machine;
}

static struct vmm_formal_machine *load(const char *text)
{
    return load_with(text, NULL);
}

/* ---- classes ---- */

enum {
    PRIVILEGED = 1,
    CONTROL = 2,
    LOCATION = 4,
    MODE = 8,
    USER = 16,
    SUPERVISOR = 32,
};

static unsigned flags(const struct vmm_class_record *record)
{
    cr_assert_eq(record->sensitive, !record->innocuous);
    cr_assert_eq(record->sensitive,
                 record->control_sensitive || record->location_sensitive || record->mode_sensitive);
    cr_assert_eq(record->sensitive, record->user_sensitive || record->supervisor_sensitive);
    return (record->privileged ? PRIVILEGED : 0) | (record->control_sensitive ? CONTROL : 0) |
           (record->location_sensitive ? LOCATION : 0) | (record->mode_sensitive ? MODE : 0) |
           (record->user_sensitive ? USER : 0) | (record->supervisor_sensitive ? SUPERVISOR : 0);
}

static const struct {
    const char *instruction;
    unsigned flags;
} class_cases[] = {
    {"instruction nop", 0},
    {"instruction inc otherwise: E[0] := E[0] + 1", 0},
    {"instruction jump when E[0] = 0: p := 0", 0},
    /* Traps in both modes: not privileged; a trap is not a change of M by the instruction. */
    {"instruction svc otherwise: trap", 0},
    /* The paper's example of control sensitive and privileged, load PSW. */
    {"instruction lpsw when m = u: trap otherwise: psw := E[0]", PRIVILEGED | CONTROL | SUPERVISOR},
    {"instruction lpsw otherwise: psw := E[0]", CONTROL | USER | SUPERVISOR},
    /* JRST 1: from s to u without a trap; from u nothing changes. */
    {"instruction jrst1 otherwise: m := u, p := 0", CONTROL | SUPERVISOR},
    {"instruction sup otherwise: m := s", CONTROL | USER},
    {"instruction setl otherwise: l := 0", CONTROL | USER | SUPERVISOR},
    /* Sees l: the paper's Load Physical Address. */
    {"instruction lra otherwise: E[0] := l", LOCATION | USER | SUPERVISOR},
    {"instruction lra when m = u: trap otherwise: E[0] := l", PRIVILEGED | LOCATION | SUPERVISOR},
    {"instruction lra when m = s: E[0] := l", LOCATION | MODE | SUPERVISOR},
    /* Sees m: PDP-11's Move From Previous Instruction space; differs between s and u only. */
    {"instruction smsw otherwise: E[0] := m", MODE | SUPERVISOR},
    {"instruction jm when m = s: p := 1 otherwise: p := 0", MODE | SUPERVISOR},
    /* Stores the whole PSW, which holds both m and l. */
    {"instruction spsw otherwise: E[0] := psw", LOCATION | MODE | USER | SUPERVISOR},
    /* Traps in s and not in u: a difference that the VMM never sees. */
    {"instruction odd when m = s: trap", MODE | SUPERVISOR},
    {"instruction odd when m = s: trap otherwise: p := p", MODE | SUPERVISOR},
    /* Traps in u only for some states: not privileged. A trap in u is no sensitivity. */
    {"instruction part when m = u and E[0] = 0: trap", 0},
    /* The bound is the VM's own. */
    {"instruction bound otherwise: E[0] := b", 0},
    /* Traps in one place and not in another. */
    {"instruction where when l = 0: trap", LOCATION | USER | SUPERVISOR},
    /* Memory-traps always: no pair of states counts. */
    {"instruction far otherwise: E[7] := m", 0},
    {"instruction far when m = u: trap otherwise: E[7] := m", 0},
    {"instruction edge otherwise: E[1] := m", 0}, /* the bound is 1 */
    /* Sets R to what no register of this machine can hold: memory-traps. */
    {"instruction big otherwise: b := 3", 0},
};

Test(formal, classes_follow_the_definitions)
{
    for (size_t i = 0; i < sizeof class_cases / sizeof class_cases[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, SMALL "%s", class_cases[i].instruction);
        struct vmm_formal_machine *machine = load(text);
        cr_assert_eq(vmm_theorem_machine_states(machine), 512);
        const struct vmm_class_record *record = vmm_theorem_classes(machine, 0);
        cr_assert_eq(flags(record), class_cases[i].flags, "%s: %#x, not %#x",
                     class_cases[i].instruction, flags(record), class_cases[i].flags);
        bool shows = record->privileged || record->sensitive;
        cr_assert_eq(record->witness != NULL, shows, "%s", class_cases[i].instruction);
        cr_assert_null(vmm_theorem_classes(machine, 1));
        vmm_theorem_unload(machine);
    }
}

/* An instruction that looks the same at every place of the machine, but not inside a VM. */
Test(formal, a_relocation_into_a_vm_counts)
{
    struct vmm_formal_machine *machine = load(SMALL "instruction far otherwise: E[0] := l >= 2");
    cr_assert(vmm_theorem_classes(machine, 0)->location_sensitive);
    vmm_theorem_unload(machine);
}

Test(formal, witnesses_name_the_states)
{
    struct vmm_formal_machine *machine = load(TINY "instruction jrst1 otherwise: m := u " LPSW
                                                   "instruction sm otherwise: E[0] := m");
    cr_assert_str_eq(vmm_theorem_classes(machine, 0)->witness,
                     "control sensitive: <E=(0,0), M=s, P=0, R=(0,2)> -> "
                     "<E=(0,0), M=u, P=0, R=(0,2)>");
    cr_assert_str_eq(vmm_theorem_classes(machine, 1)->witness,
                     "control sensitive: <E=(0,0), M=s, P=0, R=(0,2)> -> "
                     "<E=(0,0), M=u, P=0, R=(0,2)>; "
                     "privileged: traps in u and not in s in all 4 pairs of states");
    cr_assert_str_eq(vmm_theorem_classes(machine, 2)->witness,
                     "mode sensitive: <E=(0,0), M=s, P=0, R=(0,2)> -> "
                     "<E=(1,0), M=s, P=0, R=(0,2)>, but <E=(0,0), M=u, P=0, R=(0,2)> -> "
                     "<E=(0,0), M=u, P=0, R=(0,2)>");
    vmm_theorem_unload(machine);
}

/* ---- counts ---- */

struct counts {
    const char *text;
    uint64_t states;
    int theorem;
    unsigned length;
    uint64_t sequences, checks, direct, entries;
};

/* TINY with LPSW and INC. In a VM each inc is executed directly, each lpsw traps: one VMM step, or
 * three with a VMM in the VMM (D1 passes on, D2 simulates, D1 loads the PSW for it). Theorem 2 adds
 * up both levels. The hybrid VMM interprets both instructions in the four supervisor states. */
static const struct counts counts[] = {
    {TINY LPSW INC, 8, 1, 1, 2, 16, 8, 8},
    {TINY LPSW INC, 8, 1, 2, 2 + 4, 16 + 8 * (2 + 4), 8 + 8 * 3, 8 + 8 * 3},
    {TINY LPSW INC, 8, 2, 1, 2, 16 + 16, 8 + 8, 8 + 3 * 8},
    {TINY LPSW INC, 8, 3, 1, 2, 16, 4, 8 + 4},
    /* With a clock of period 2 there are twice as many states, and a VMM may have made an even or
     * an odd number of steps; two VMMs, each of them. */
    {TIMED LPSW INC, 16, 1, 1, 2, 2 * 32, 2 * 16, 2 * 16},
    {TIMED LPSW INC, 16, 2, 1, 2, 2 * 32 + 4 * 32, 2 * 16 + 4 * 16, 2 * 16 + 4 * 16 * 3},
};

Test(formal, counts_of_a_tiny_machine)
{
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct vmm_theorem_limits limits = {.length = counts[i].length};
        struct vmm_formal_machine *machine = load_with(counts[i].text, &limits);
        cr_assert_eq(vmm_theorem_machine_states(machine), counts[i].states);
        cr_assert_eq(vmm_theorem_instructions(machine), 2);
        struct vmm_theorem_result *result =
            vmm_theorem_decide(machine, counts[i].theorem, NULL, &error);
        cr_assert_not_null(result);
        cr_assert_eq(result->holds, VMM_VERDICT_TRUE);
        cr_assert_eq(result->states, counts[i].states);
        cr_assert_eq(result->length, counts[i].length);
        cr_assert_eq(result->levels, counts[i].theorem == 2 ? 2 : 1);
        cr_assert_eq(result->sequences, counts[i].sequences, "case %zu", i);
        cr_assert_eq(result->checks, counts[i].checks, "case %zu", i);
        cr_assert_eq(result->direct, counts[i].direct, "case %zu", i);
        cr_assert_eq(result->entries, counts[i].entries, "case %zu", i);
        vmm_theorem_result_free(result);
        vmm_theorem_unload(machine);
    }
}

Test(formal, states_are_cells_and_psw_and_clock)
{
    /* 2 modes * 2 * 2 * 3 = 24 PSWs, in three cells and the PSW; four times of the clock. */
    struct vmm_formal_machine *machine =
        load_with("machine m storage 3 pc 2 relocation 0,1 bounds 1,2,3 timer 4 instruction i",
                  &(struct vmm_theorem_limits){.max_states = 24 * 24 * 24 * 24 * 4});
    cr_assert_eq(vmm_theorem_machine_states(machine), 24 * 24 * 24 * 24 * 4);
    cr_assert_str_eq(vmm_theorem_machine_name(machine), "m");
    vmm_theorem_unload(machine);
}

/* ---- expressions ---- */

static const struct {
    const char *expression;
    bool value;
} expressions[] = {
    {"1 + 2 * 3 = 7", true},
    {"(1 + 2) * 3 = 9", true},
    {"7 - 2 - 1 = 4", true},
    {"-2 + 3 = 1", true},
    {"- -2 = 2", true},
    {"2 < 3 and 3 <= 3 and 4 > 3 and 3 >= 3 and 1 != 2", true},
    {"3 < 3 or 4 <= 3 or 3 > 3 or 2 >= 3 or 2 != 2", false},
    {"not 0 = 1", true}, /* not binds weaker than = */
    {"not (0 = 0)", false},
    {"1 = 1 or 1 = 0 and 1 = 0", true}, /* and binds stronger than or */
    {"s = 1 and u = 0", true},
    {"(E[0] = 0) + (E[0] != 0) = 1", true},
    {"p = 0 and l = 0 and b = 2", true},                  /* TINY has no others */
    {"psw = m", true},                                    /* TINY's PSWs are numbered so */
    {"1 = 1 or E[9] = 0", true},                          /* the right side is not evaluated */
    {"65535 * 65535 * 65535 * 65535 * 65535 = 0", false}, /* wraps, and stays defined */
};

/* An instruction that traps just where the expression is false is svc where it always is. */
Test(formal, expressions_have_their_values)
{
    for (size_t i = 0; i < sizeof expressions / sizeof expressions[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, TINY "instruction i when m = u and (%s): trap",
                 expressions[i].expression);
        struct vmm_formal_machine *machine = load(text);
        cr_assert_eq(vmm_theorem_classes(machine, 0)->privileged, expressions[i].value, "%s",
                     expressions[i].expression);
        vmm_theorem_unload(machine);
    }
}

/* ---- mistakes ---- */

#define DEEP10 "(((((((((("

static const struct {
    const char *text;
    unsigned line, column;
    const char *says;
} mistakes[] = {
    {"", 1, 1, "'machine'"},
    {"machin x", 1, 1, "'machine'"},
    {"machine", 1, 8, "a name for the machine"},
    {"machine 3", 1, 9, "a name for the machine"},
    {"machine a234567890123456789012345678901234567890", 1, 9, "too long"},
    {"machine x", 1, 10, "a declaration"},
    {"machine x storage", 1, 18, "number from 2 to 8"},
    {"machine x storage 1", 1, 19, "number from 2 to 8"},
    {"machine x storage 9", 1, 19, "number from 2 to 8"},
    {"machine x storage 99999999999999999999", 1, 19, "number from 2 to 8"},
    {"machine x storage 2 storage 2", 1, 21, "already"},
    {"machine x pc 0", 1, 14, "number from 1 to 16"},
    {"machine x timer 1", 1, 17, "number from 2 to 64"},
    {"machine x relocation", 1, 21, "number from 0 to 7"},
    {"machine x relocation 8", 1, 22, "number from 0 to 7"},
    {"machine x relocation 0, 0", 1, 25, "already"},
    {"machine x relocation 0,", 1, 24, "number from 0 to 7"},
    {"machine x relocation 0 relocation 1", 1, 24, "already"},
    {"machine x bounds 9", 1, 18, "number from 0 to 8"},
    {"machine x bounds 0,1,2,3,4,5,6,7,8", 1, 34, "more than 8 values"},
    {"machine x instruction i", 1, 11, "'storage 3'"},
    {"machine x storage 2 pc 1 bounds 2 instruction i", 1, 35, "'relocation 0, 2'"},
    {"machine x storage 2 pc 1 relocation 0 instruction i", 1, 39, "'bounds 1, 3'"},
    {TINY "instruction", 2, 12, "a name for the instruction"},
    {TINY "instruction i instruction i", 2, 27, "already"},
    {TINY "instruction i\n  whem m = u: trap", 3, 3, "'when', 'otherwise' or 'instruction'"},
    {TINY "instruction i when: trap", 2, 19, "a number, a register"},
    {TINY "instruction i when m = u trap", 2, 26, "':'"},
    {TINY "instruction i when m = u:", 2, 26, "'trap', 'skip'"},
    {TINY "instruction i otherwise trap", 2, 25, "':'"},
    {TINY "instruction i otherwise: trap when m: trap", 2, 31, "never taken"},
    {TINY "instruction i otherwise: t := 1", 2, 26, "'trap', 'skip'"},
    {TINY "instruction i otherwise: p = 1", 2, 28, "':='"},
    {TINY "instruction i otherwise: p :=", 2, 30, "a number, a register"},
    {TINY "instruction i otherwise: p := q", 2, 31, "a number, a register"},
    {TINY "instruction i otherwise: p := t", 2, 31, "timer 4"},
    {TINY "instruction i otherwise: p := 65536", 2, 31, "up to 65535"},
    {TINY "instruction i otherwise: p := 1,", 2, 33, "'trap', 'skip'"},
    {TINY "instruction i otherwise: E := 1", 2, 28, "'['"},
    {TINY "instruction i otherwise: E[0 := 1", 2, 30, "']'"},
    {TINY "instruction i otherwise: p := E 0", 2, 33, "'['"},
    {TINY "instruction i otherwise: p := (1", 2, 33, "')'"},
    {TINY "instruction i otherwise: p := 1 +", 2, 34, "a number, a register"},
    {TINY "instruction i otherwise: p := 2 *", 2, 34, "a number, a register"},
    {TINY "instruction i otherwise: p := 2 or", 2, 35, "a number, a register"},
    {TINY "instruction i otherwise: p := 2 and", 2, 36, "a number, a register"},
    {TINY "instruction i otherwise: p := not", 2, 34, "a number, a register"},
    {TINY "instruction i otherwise: p := -", 2, 32, "a number, a register"},
    {TINY "instruction i otherwise: p := 1 < 2 < 3", 2, 37, "'instruction'"},
    {TINY "instruction i otherwise: p := 1 ; # no such sign", 2, 33, "';'"},
    {TINY "instruction i otherwise: p := \001", 2, 31, "'?'"},
    {TINY "instruction i otherwise: p := " DEEP10 DEEP10 DEEP10 DEEP10 DEEP10 DEEP10 DEEP10, 2, 95,
     "more than 64 deep"},
};

Test(formal, mistakes_name_line_and_column)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        const char *text = mistakes[i].text;
        cr_assert_null(vmm_theorem_load(text, strlen(text), NULL, &error), "%s", text);
        cr_assert_eq(error.line, mistakes[i].line, "%s: %s", text, error.message);
        cr_assert_eq(error.column, mistakes[i].column, "%s: %s", text, error.message);
        cr_assert_not_null(strstr(error.message, mistakes[i].says), "%s: %s", text, error.message);
        char place[64];
        snprintf(place, sizeof place, "line %u, column %u: ", error.line, error.column);
        cr_assert_eq(strncmp(error.message, place, strlen(place)), 0, "%s", error.message);
    }
}

Test(formal, comments_and_white_space_mean_nothing)
{
    vmm_theorem_unload(load("# a machine\n\tmachine\r\nx # x\nstorage 2 pc 1#\n"
                            "relocation 0 bounds 2 instruction i#"));
}

static void refuse(const char *text, const struct vmm_theorem_limits *limits, const char *says)
{
    cr_assert_null(vmm_theorem_load(text, strlen(text), limits, &error));
    cr_assert_not_null(strstr(error.message, says), "%s", error.message);
    cr_assert_eq(error.line, 0);
}

Test(formal, a_state_space_too_large_is_refused)
{
    /* 2 * 16 * 8 * 8 = 2048 PSWs; 2048^9 does not fit into 64 bits. */
    refuse("machine x storage 8 pc 16 relocation 0,1,2,3,4,5,6,7 bounds 0,1,2,3,4,5,6,7 "
           "instruction i",
           NULL, "too large: more than");
    refuse(TINY LPSW, &(struct vmm_theorem_limits){.max_states = 7},
           "too large: 8 states, limit 7; reduce storage");
    vmm_theorem_unload(load_with(TINY LPSW, &(struct vmm_theorem_limits){.max_states = 8}));
    refuse(TINY LPSW, &(struct vmm_theorem_limits){.length = VMM_THEOREM_LENGTH + 1}, "too long");
}

static void repeat(char *text, size_t room, const char *format, unsigned times)
{
    snprintf(text, room, "%s", TINY);
    for (unsigned i = 0; i < times; i++) {
        size_t used = strlen(text);
        snprintf(text + used, room - used, format, i);
    }
}

Test(formal, every_table_of_the_parser_has_an_end)
{
    static char text[100000];
    repeat(text, sizeof text, "instruction i%u\n", 33);
    cr_assert_null(vmm_theorem_load(text, strlen(text), NULL, &error));
    cr_assert_not_null(strstr(error.message, "more than 32 instructions"), "%s", error.message);
    repeat(text, sizeof text, "instruction i%u\n", 32);
    vmm_theorem_unload(load(text));
    snprintf(text, sizeof text, TINY "instruction i ");
    for (unsigned i = 0; i < 257; i++)
        strcat(text, "when 1: trap ");
    cr_assert_null(vmm_theorem_load(text, strlen(text), NULL, &error));
    cr_assert_not_null(strstr(error.message, "more than 256 rules"), "%s", error.message);
    snprintf(text, sizeof text, TINY "instruction i otherwise: p := 0");
    for (unsigned i = 0; i < 512; i++)
        strcat(text, ", p := 0");
    cr_assert_null(vmm_theorem_load(text, strlen(text), NULL, &error));
    cr_assert_not_null(strstr(error.message, "more than 512 assignments"), "%s", error.message);
    snprintf(text, sizeof text, TINY "instruction i otherwise: p := 0");
    for (unsigned i = 0; i < 512; i++)
        strcat(text, " + 1");
    cr_assert_null(vmm_theorem_load(text, strlen(text), NULL, &error));
    cr_assert_not_null(strstr(error.message, "more than 1024 terms"), "%s", error.message);
}

Test(formal, an_unreadable_file_is_a_mistake)
{
    cr_assert_null(vmm_theorem_load_file("/nonexistent/x.machine", NULL, &error));
    cr_assert_not_null(strstr(error.message, "/nonexistent/x.machine"));
    cr_assert_null(vmm_theorem_load_file("/", NULL, &error));
    cr_assert_null(vmm_theorem_load_file("/dev/zero", NULL, NULL));
}
