/* The lab about the classes themselves: a student's predicates are asked about formal machines that
 * are drawn after the build, and about instructions of x86, whose classes the classifier finds by
 * executing them. The definitions are Popek and Goldberg's (CACM 17(7), 1974, section 2); pairs of
 * states in which an address was out of bounds say nothing. */
#include "shell/lab.h"

#include "labs/grader/evidence.h"
#include "labs/grader/formal.h"
#include "shell/lab_process.h"

#include <stdlib.h>
#include <sys/random.h>
#include <vmm/classify.h>

enum { SECONDS = 10, ROOM = 700 };

static const char *const questions[FORMAL_QUESTIONS] = {
    [FORMAL_PRIVILEGED] = "privileged",       [FORMAL_CONTROL] = "control_sensitive",
    [FORMAL_LOCATION] = "location_sensitive", [FORMAL_MODE] = "mode_sensitive",
    [FORMAL_USER] = "user_sensitive",         [FORMAL_THEOREM_1] = "theorem_1",
    [FORMAL_THEOREM_3] = "theorem_3",         [FORMAL_PREDICT] = "predictions"};

/* ---- machines ---- */

/* Kinds of instructions; `k` is drawn for each. Every predicate, and every way to get one wrong
 * that is worth a name, has a kind that shows it. */
enum kind {
    COUNT,         /* innocuous */
    LOAD_R,        /* privileged: changes R */
    TO_USER,       /* changes M, and traps nowhere: the PDP-10's JRST 1 */
    STORE_R,       /* shows R to everybody */
    STORE_M,       /* shows M to everybody */
    CALL,          /* traps in both modes */
    TRAP_IN_S,     /* traps in supervisor mode only */
    HALT,          /* privileged, and not sensitive */
    PARTLY,        /* changes R; in user mode it traps for some E */
    LOAD_BOUNDED,  /* LOAD_R that is out of bounds in supervisor mode for some E */
    NEVER,         /* out of bounds always */
    SILENT,        /* changes R in supervisor mode, and nothing in user mode: POPF */
    TRAP_BY_R,     /* traps at some R */
    USER_STORE_R,  /* shows R in user mode only */
    JUMP_BOUNDED,  /* a jump that is out of bounds at some R */
    COUNT_BOUNDED, /* out of bounds in supervisor mode for some E, where it does something else */
    KINDS
};
_Static_assert((int)KINDS == (int)FORMAL_KINDS,
               "a machine has room for one instruction of each kind");

static uint16_t to(struct state s)
{
    s.e %= FORMAL_E;
    s.p %= FORMAL_P;
    s.r %= FORMAL_R;
    return (uint16_t)formal_number(s);
}

static uint16_t behave(enum kind kind, struct state s, unsigned k)
{
    struct state next = s;
    bool user = !s.supervisor;
    next.p = s.p + 1;
    switch (kind) {
    case COUNT: next.e = s.e + 1 + k % 2; return to(next);
    case LOAD_R: next.r = s.r + 1; return user ? FORMAL_TRAP : to(next);
    case TO_USER: next.supervisor = false; return to(next);
    case STORE_R: next.e = s.r + k; return to(next);
    case STORE_M: next.e = (unsigned)s.supervisor + k; return to(next);
    case CALL: return FORMAL_TRAP;
    case TRAP_IN_S: return user ? to(next) : FORMAL_TRAP;
    case HALT: return user ? FORMAL_TRAP : to(next);
    case PARTLY: next.r = s.r + 1; return user && s.e == k ? FORMAL_TRAP : to(next);
    case LOAD_BOUNDED:
        if (!user && s.e == k)
            return FORMAL_MEMORY_TRAP;
        next.r = s.r + (user ? 0 : 1);
        return user && s.e != k ? FORMAL_TRAP : to(next);
    case NEVER: return FORMAL_MEMORY_TRAP;
    case SILENT: next.r = s.r + (user ? 0 : 1); return to(next);
    case TRAP_BY_R: return s.r == k ? FORMAL_TRAP : to(next);
    case USER_STORE_R: next.e = user ? s.r + k : s.e; return to(next);
    case JUMP_BOUNDED: return s.r == k ? FORMAL_MEMORY_TRAP : to(next);
    default:
        if (s.e != k)
            return to(next);
        next.e = s.e + 1;
        return user ? to(next) : FORMAL_MEMORY_TRAP;
    }
}

static unsigned draw(unsigned below)
{
    unsigned number = 0;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        number = 4;
    return number % below;
}

static void add(struct formal_table *table, enum kind kind)
{
    unsigned k = draw(3);
    for (unsigned n = 0; n < FORMAL_STATES; n++)
        table->next[table->instructions][n] = behave(kind, formal_state(n), k);
    table->instructions++;
}

/* One machine for each kind, beside something harmless; then mixtures of what Theorem 1 likes. */
static void make_machines(struct formal_work *work)
{
    static const enum kind good[] = {COUNT, LOAD_R, CALL, HALT, LOAD_BOUNDED, NEVER, JUMP_BOUNDED};
    for (work->machines = 0; work->machines < FORMAL_MACHINES; work->machines++) {
        struct formal_table *table = &work->table[work->machines];
        bool first = draw(2);
        if (first)
            add(table, COUNT);
        if (work->machines < KINDS)
            add(table, (enum kind)work->machines);
        for (unsigned i = 0; work->machines >= KINDS && i < 4; i++)
            add(table, i < 3 || work->machines % 2 ? good[draw(sizeof good / sizeof *good)]
                                                   : (enum kind)draw(KINDS));
        if (!first)
            add(table, COUNT);
    }
}

/* ---- the definitions ---- */

struct pair {
    struct state before[2], after[2];
    enum effect effect[2];
};

/* Runs one instruction from two states; false if either is out of bounds. */
static bool run_pair(const struct machine *m, unsigned i, struct pair *pair)
{
    for (int n = 0; n < 2; n++)
        pair->effect[n] = m->execute(m, i, pair->before[n], &pair->after[n]);
    return pair->effect[0] != MEMORY_TRAPS && pair->effect[1] != MEMORY_TRAPS;
}

static void say_state(char *text, struct state s)
{
    size_t used = strlen(text);
    snprintf(text + used, ROOM - used, "<E=%u, M=%c, P=%u, R=%u>", s.e, s.supervisor ? 's' : 'u',
             s.p, s.r);
}

static void say_pair(char *text, const struct pair *pair, int count)
{
    text[0] = '\0';
    for (int n = 0; n < count; n++) {
        say_state(text, pair->before[n]);
        size_t used = strlen(text);
        snprintf(text + used, ROOM - used, "%s", pair->effect[n] == EXECUTES ? " -> " : " traps");
        if (pair->effect[n] == EXECUTES)
            say_state(text, pair->after[n]);
        if (n + 1 < count)
            strcat(text, ", but ");
    }
}

/* Whether some state shows the property; `text` then has it. `user`: only from user states. */
static bool control(const struct machine *m, unsigned i, bool user, char *text)
{
    for (unsigned n = 0; n < FORMAL_STATES; n++) {
        struct pair pair = {.before = {formal_state(n), formal_state(n)}};
        const struct state *before = &pair.before[0], *after = &pair.after[0];
        if ((user && before->supervisor) || !run_pair(m, i, &pair) || pair.effect[0] != EXECUTES ||
            (before->supervisor == after->supervisor && before->r == after->r))
            continue;
        say_pair(text, &pair, 1);
        return true;
    }
    return false;
}

static bool location(const struct machine *m, unsigned i, bool user, char *text)
{
    for (unsigned n = 0; n < FORMAL_STATES * FORMAL_R; n++) {
        struct pair pair = {.before = {formal_state(n / FORMAL_R), formal_state(n / FORMAL_R)}};
        const struct state *a = &pair.after[0], *b = &pair.after[1];
        pair.before[1].r = n % FORMAL_R;
        if ((user && pair.before[0].supervisor) || !run_pair(m, i, &pair))
            continue;
        bool same = pair.effect[0] == pair.effect[1] &&
                    (pair.effect[0] != EXECUTES ||
                     (a->e == b->e && a->p == b->p && a->supervisor == b->supervisor));
        if (same)
            continue;
        say_pair(text, &pair, 2);
        return true;
    }
    return false;
}

static bool mode(const struct machine *m, unsigned i, bool user, char *text)
{
    (void)user;
    for (unsigned n = 0; n < FORMAL_STATES; n++) {
        struct pair pair = {.before = {formal_state(n), formal_state(n)}};
        const struct state *a = &pair.after[0], *b = &pair.after[1];
        if (!pair.before[0].supervisor)
            continue;
        pair.before[1].supervisor = false;
        if (!run_pair(m, i, &pair) || pair.effect[1] != EXECUTES ||
            (pair.effect[0] == EXECUTES && a->e == b->e && a->p == b->p && a->r == b->r))
            continue;
        say_pair(text, &pair, 2);
        return true;
    }
    return false;
}

/* Here a state is what shows that it is not so. */
static bool privileged(const struct machine *m, unsigned i, char *text)
{
    bool any = false;
    for (unsigned n = 0; n < FORMAL_STATES; n++) {
        struct pair pair = {.before = {formal_state(n), formal_state(n)}};
        pair.before[1].supervisor = false;
        if (!pair.before[0].supervisor || !run_pair(m, i, &pair))
            continue;
        any = true;
        if (pair.effect[0] == EXECUTES && pair.effect[1] == TRAPS)
            continue;
        say_pair(text, &pair, 2);
        return false;
    }
    snprintf(text, ROOM, "%s",
             any ? "it traps in u and not in s in every pair" : "every pair is out of bounds");
    return any;
}

static bool expect(uint32_t question, const struct machine *m, unsigned i, char *text);

static bool theorem(const struct machine *m, bool user, char *text)
{
    for (unsigned i = 0; i < m->instructions; i++) {
        bool sensitive = user ? expect(FORMAL_USER, m, i, text)
                              : control(m, i, false, text) || location(m, i, false, text) ||
                                    mode(m, i, false, text);
        char ignored[ROOM];
        if (sensitive && !privileged(m, i, ignored))
            return false;
    }
    snprintf(text, ROOM, "every instruction that is sensitive is privileged");
    return true;
}

static bool expect(uint32_t question, const struct machine *m, unsigned i, char *text)
{
    snprintf(text, ROOM, "no state shows it");
    switch (question) {
    case FORMAL_PRIVILEGED: return privileged(m, i, text);
    case FORMAL_CONTROL: return control(m, i, false, text);
    case FORMAL_LOCATION: return location(m, i, false, text);
    case FORMAL_MODE: return mode(m, i, false, text);
    case FORMAL_USER: return control(m, i, true, text) || location(m, i, true, text);
    default: return theorem(m, question == FORMAL_THEOREM_3, text);
    }
}

/* ---- one test ---- */

static void fail(struct lab_test *test, const char *what)
{
    test->passed = false;
    snprintf(test->output, sizeof test->output, "%.1200s\nHint: %.400s", what, test->hint);
}

static const char *word(uint8_t answer)
{
    return answer == FORMAL_MISSING ? "missing" : answer ? "true" : "false";
}

static void judge_machine(struct lab_test *test, uint32_t question, const struct machine *machine,
                          const struct formal_answer *answer)
{
    unsigned count = question < FORMAL_THEOREM_1 ? machine->instructions : 1;
    for (unsigned i = 0; i < count && test->passed; i++) {
        char text[ROOM], what[2 * ROOM];
        bool expected = expect(question, machine, i, text);
        if (answer->answer[i] == expected)
            continue;
        if (question < FORMAL_THEOREM_1)
            snprintf(what, sizeof what, "%s of instruction %u of machine %u is %s, expected %s: %s",
                     questions[question], i, answer->machine, word(answer->answer[i]),
                     word(expected), text);
        else
            snprintf(what, sizeof what, "%s of machine %u is %s, expected %s: %s",
                     questions[question], answer->machine, word(answer->answer[i]), word(expected),
                     text);
        fail(test, what);
    }
}

/* The classes of each instruction that the test names, "popf:2 cli:3" in test->guest, as prepare
 * found them. */
static void judge_predictions(struct lab_test *test, const struct formal_answer *answer)
{
    char list[1024], what[256], *state;
    snprintf(list, sizeof list, "%s", (const char *)test->guest);
    for (char *item = strtok_r(list, " ", &state); item && test->passed;
         item = strtok_r(NULL, " ", &state)) {
        char *colon = strchr(item, ':');
        *colon = '\0';
        unsigned i = 0;
        while (i < FORMAL_PREDICTIONS && strcmp(answer->name[i], item) != 0)
            i++;
        if (i < FORMAL_PREDICTIONS && answer->answer[i] == (uint8_t)atoi(colon + 1))
            continue;
        snprintf(what, sizeof what,
                 i < FORMAL_PREDICTIONS
                     ? "What you predict of %s does not happen. See what does:\n    vmm classify "
                       "--instruction %s --replay"
                     : "There is no prediction of %s.",
                 item, item);
        fail(test, what);
    }
}

static void judge(struct lab_test *test, const struct formal_work *work,
                  const struct formal_answer *answers, uint64_t nonce,
                  const struct lab_child *child)
{
    size_t count = child->count / sizeof *answers;
    char room[256], what[512];
    test->passed = true;
    for (uint32_t i = 0; i < work->machines && test->passed; i++) {
        const struct machine machine = formal_machine(&work->table[i]);
        if (i >= count || answers[i].nonce != nonce || answers[i].machine != i) {
            snprintf(what, sizeof what, "Machine %u: %s", i,
                     i < count ? "the file wrote to the grader's channel itself"
                               : lab_ending(child, SECONDS, room, sizeof room));
            fail(test, what);
        } else if (work->question == FORMAL_PREDICT) {
            judge_predictions(test, &answers[i]);
        } else {
            judge_machine(test, work->question, &machine, &answers[i]);
        }
    }
    if (test->passed && (child->status != 0 || child->late || child->flooded)) {
        snprintf(what, sizeof what, "At the end: %s",
                 lab_ending(child, SECONDS, room, sizeof room));
        fail(test, what);
    }
    test->score = test->passed ? test->points : 0;
}

static uint32_t question_of(const struct lab_test *test)
{
    char name[64];
    uint32_t question = 0;
    lab_field(test->text, "asks: ", name, sizeof name);
    while (question < FORMAL_QUESTIONS && strcmp(questions[question], name) != 0)
        question++;
    return question;
}

static bool run(struct lab_job *job, struct lab_test *test)
{
    struct formal_work *work = calloc(1, sizeof *work);
    struct formal_answer *answers = calloc(FORMAL_MACHINES, sizeof *answers);
    struct lab_child child;
    uint64_t nonce;
    snprintf(job->why, sizeof job->why, "the host has no memory or no random numbers");
    bool good = work && answers && getrandom(&nonce, sizeof nonce, 0) == sizeof nonce;
    if (good) {
        make_machines(work);
        work->question = question_of(test);
        if (work->question == FORMAL_PREDICT)
            work->machines = 1;
        good = lab_run_runner(job, "-", work, sizeof *work, nonce, SECONDS, answers,
                              work->machines * sizeof *answers, &child);
    }
    if (good)
        judge(test, work, answers, nonce, &child);
    free(work);
    free(answers);
    return good;
}

/* ---- building ---- */

static bool build(struct lab_job *job)
{
    struct lab_result *result = job->result;
    return lab_compile(job->lab, job->submission, job->work, result->output,
                       sizeof result->output) &&
           lab_accept(job, NULL);
}

/* What the classifier finds of an instruction; -1: nothing. */
static int classes_of(const char *instruction)
{
    char error[256];
    struct vmm_classification *found =
        vmm_classify_text("x86-32", instruction, NULL, error, sizeof error);
    const struct vmm_class_record *record =
        found && vmm_classification_count(found) ? vmm_classification_records(found) : NULL;
    int classes = !record || record->failure
                      ? -1
                      : (record->privileged || record->conditionally_privileged) | record->sensitive
                                                                                       << 1;
    vmm_classification_free(found);
    return classes;
}

static bool prepare(const struct lab *lab, struct lab_test *test, char why[LAB_SENTENCE])
{
    char names[512], *state, *list = calloc(1, 1024);
    (void)lab;
    test->guest = (uint8_t *)list;
    if (question_of(test) == FORMAL_QUESTIONS || !list) {
        snprintf(why, LAB_SENTENCE, "%s asks nothing that is known", test->file);
        return false;
    }
    lab_field(test->text, "instructions: ", names, sizeof names);
    for (char *name = strtok_r(names, " ", &state); name; name = strtok_r(NULL, " ", &state)) {
        int classes = classes_of(name);
        size_t used = strlen(list);
        if (classes < 0) {
            snprintf(why, LAB_SENTENCE, "the classifier has no verdict on %s", name);
            return false;
        }
        snprintf(list + used, 1024 - used, "%s:%d ", name, classes);
    }
    return true;
}

const struct lab_kind lab_kind_formal = {
    .name = "formal", .build = build, .prepare = prepare, .run = run};
