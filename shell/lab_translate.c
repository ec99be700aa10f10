/* The lab in which students translate: a guest runs with their translator in a process of its own,
 * three times (labs/grader/translate.h), and here on the bare machine, which is run to each state
 * that was sent. So a wrong translation is found at its instruction, a wrong unit between two
 * traps, and whatever else is wrong at the end; there it is looked at, too, how often the VMM was
 * needed, beside the library's own translator. What is sent is not believed: lab_guest.c. */
#include "shell/lab_guest.h"

#include "labs/grader/translate.h"
#include "shell/lab_compare.h"
#include "shell/lab_process.h"

#include <stdlib.h>

/* ---- the runs ---- */

struct trial {
    struct lab_translation *got;
    size_t count;
    struct lab_translation library; /* at the end, with the library's own translator */
    uint64_t nonce;
    unsigned seconds;
    struct lab_child child;
    uint8_t *guest;
    size_t size;
};

static bool run_library(struct lab_job *job, struct trial *trial)
{
    struct lab_run run;
    struct vmm_error error = {0};
    clock_t start = clock();
    bool good =
        lab_run_create(&run, LAB_WHOLE, job->lab->technique, trial->guest, trial->size, &error);
    if (good)
        lab_run_step(&run);
    else
        snprintf(job->why, sizeof job->why, "%s", error.text);
    vmm_destroy(run.vm);
    trial->library = run.now;
    trial->seconds = lab_guest_seconds(clock() - start);
    return good;
}

static bool run_module(struct lab_job *job, struct trial *trial)
{
    if (!lab_run_runner(job, job->lab->technique, trial->guest, trial->size, trial->nonce,
                        trial->seconds, trial->got, LAB_TRANSLATE_MOST * sizeof *trial->got,
                        &trial->child))
        return false;
    trial->count = trial->child.count / sizeof *trial->got;
    return true;
}

/* ---- the bare machine ---- */

/* In the middle of a run the bare engine may be ahead by an accessed bit in tables that are not in
 * force; the full interpreter never is. */
static const char *reference(const struct lab_translation *got)
{
    return got->pass == LAB_TRAPS ? "interp" : "bare";
}

/* Runs it to where `got` says to be; one instruction more where the guest has ended, which need not
 * have retired. */
static void follow(struct lab_run *bare, const struct lab_evidence *got)
{
    uint64_t to = got->instructions;
    if (got->stop != VMM_STOP_LIMIT && got->stop != VMM_STOP_FAILURE)
        to++;
    enum vmm_stop stop = VMM_STOP_LIMIT;
    if (to > bare->last && bare->now.state.stop == VMM_STOP_LIMIT)
        stop = vmm_run(bare->vm, to - bare->last);
    else if (bare->states)
        stop = bare->now.state.stop;
    lab_run_look(bare, stop);
}

/* ---- the score ---- */

static void where(const struct lab_test *test, const struct lab_translation *before,
                  const struct lab_translation *got, char *text, size_t room)
{
    unsigned long long done = before ? before->state.instructions : 0;
    unsigned long long now = got ? got->state.instructions : done;
    uint32_t eip = before ? before->state.registers.eip : 0x100000;
    if (got && got->pass == LAB_SINGLE)
        snprintf(text, room,
                 "Instruction %llu of the guest %s, at EIP 0x%08x, translated by itself", done + 1,
                 test->file, eip);
    else if (got && got->pass == LAB_TRAPS)
        snprintf(text, room,
                 "Instructions %llu to %llu of the guest %s, from EIP 0x%08x on, in whole units",
                 done + 1, now > done ? now : done + 1, test->file, eip);
    else
        snprintf(text, room, "At the end of the guest %s, after %llu instructions", test->file,
                 now);
}

static void how_to_see(const struct lab_job *job, const struct lab_test *test,
                       const struct lab_translation *before, const struct lab_translation *got,
                       char *text, size_t room)
{
    char until[48] = "";
    int stem = (int)strlen(test->file) - 2;
    bool kernel = lab_is_kernel(test->guest, test->guest_size);
    bool end = !got || got->pass == LAB_WHOLE;
    if (before && !end)
        snprintf(until, sizeof until, "'until %llu', ",
                 (unsigned long long)before->state.instructions);
    snprintf(text, room, "make %.*s.bin && vmm debug --lab %ld -m 4M %s%.*s.bin, then %s", stem,
             test->file, job->lab->number, kernel ? "" : "--load flat@0x100000 ", stem, test->file,
             until);
    size_t used = strlen(text);
    if (end)
        snprintf(text + used, room - used, "'continue', 'info tu', 'info cache'");
    else
        snprintf(text + used, room - used, "'trap', 'why', 'translate 0x%x'",
                 before ? before->state.registers.eip : 0x100000);
}

static void fail_test(const struct lab_job *job, struct lab_test *test,
                      const struct lab_translation *before, const struct lab_translation *got,
                      const char *what)
{
    char place[400], command[1024];
    int length = (int)strlen(what);
    while (length > 0 && what[length - 1] == '\n')
        length--;
    where(test, before, got, place, sizeof place);
    how_to_see(job, test, before, got, command, sizeof command);
    snprintf(test->output, sizeof test->output, "%s:\n%.*s\nHint: %s\nTo see it: %s", place,
             length < 900 ? length : 900, what, test->hint, command);
}

/* Whether every state is the bare machine's. */
static bool equivalent(const struct lab_job *job, struct lab_test *test, const struct trial *trial)
{
    char what[LAB_SENTENCE] = "", room[256];
    struct lab_run bare = {0};
    struct vmm_error error;
    const struct lab_translation *before = NULL, *got = NULL;
    size_t i = 0;
    for (; i < trial->count && !what[0]; i++) {
        got = &trial->got[i];
        if (got->state.nonce != trial->nonce)
            break;
        if (!bare.vm || got->pass != bare.now.pass) {
            before = NULL;
            vmm_destroy(bare.vm);
            if (!lab_run_create(&bare, got->pass, reference(got), trial->guest, trial->size,
                                &error))
                break;
        } else {
            before = &trial->got[i - 1];
        }
        follow(&bare, &got->state);
        lab_differences(&bare.now.state, &got->state, what, sizeof what);
    }
    vmm_destroy(bare.vm);
    bool complete = i == trial->count && i > 0 && got->pass == LAB_WHOLE &&
                    trial->child.status == 0 && !trial->child.late && !trial->child.flooded;
    if (what[0]) {
        fail_test(job, test, before, got, what);
    } else if (!complete) {
        snprintf(what, sizeof what, "    %s",
                 i < trial->count && !trial->child.flooded
                     ? "the module wrote to the grader's channel itself"
                     : lab_ending(&trial->child, trial->seconds, room, sizeof room));
        fail_test(job, test, i ? &trial->got[i - 1] : NULL, NULL, what);
    }
    return complete && !what[0];
}

/* What a translator is for: that the VMM is seldom needed. Half as much again as by the library's
 * own, and a few, are allowed. */
static void add_cost(char *what, size_t room, const char *format, uint64_t got, uint64_t library)
{
    size_t used = strlen(what);
    uint64_t most = library + library / 2 + 8;
    if (got > most)
        snprintf(what + used, room - used, format, (unsigned long long)got,
                 (unsigned long long)most, (unsigned long long)library);
}

/* Not where it is the drawn numbers that decide how much there is to do. */
static bool counts(const struct lab_test *test, const char *what)
{
    char words[64];
    lab_field(test->text, "\n * counts: ", words, sizeof words);
    return strstr(words, what);
}

static bool efficient(const struct lab_job *job, struct lab_test *test, const struct trial *trial)
{
    char what[LAB_SENTENCE] = "";
    const struct lab_translation *got = &trial->got[trial->count - 1], *library = &trial->library;
    add_cost(what, sizeof what,
             "    the VMM has interpreted %llu instructions, expected at most %llu (the library's "
             "translator: %llu)\n",
             got->interpreted, library->interpreted);
    if (counts(test, "units"))
        add_cost(
            what, sizeof what,
            "    %llu units were made, expected at most %llu (the library's translator: %llu)\n",
            got->units, library->units);
    if (counts(test, "look-ups"))
        add_cost(what, sizeof what,
                 "    the VMM has looked for a unit %llu times, expected at most %llu (the "
                 "library's translator: %llu)\n",
                 got->lookups, library->lookups);
    if (what[0])
        fail_test(job, test, NULL, got, what);
    return !what[0];
}

static bool run(struct lab_job *job, struct lab_test *test)
{
    struct trial trial = {.got = calloc(LAB_TRANSLATE_MOST, sizeof *trial.got),
                          .guest = malloc(test->guest_size),
                          .size = test->guest_size};
    snprintf(job->why, sizeof job->why, "the host has no memory or no random numbers");
    bool good = trial.got && trial.guest && lab_guest_draw(test, trial.guest, &trial.nonce) &&
                run_library(job, &trial) && run_module(job, &trial);
    if (good)
        test->passed = equivalent(job, test, &trial) && efficient(job, test, &trial);
    test->score = test->passed ? test->points : 0;
    free(trial.got);
    free(trial.guest);
    return good;
}

const struct lab_kind lab_kind_translate = {
    .name = "translate", .build = lab_guest_build, .prepare = lab_guest_prepare, .run = run};
