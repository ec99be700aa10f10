/* Labs in which the student writes a part of a guest: it is linked with the rest of a small kernel
 * and booted under the technique para. What has to come out is what the same kernel does that was
 * built for the bare machine, with the same command line, whose numbers are drawn after the build;
 * beside that a test may limit how often the VMM is asked. The student's code is never in a process
 * of the grader's: it is a guest, in a runner of its own (labs/grader/runner_kernel.c). */
#include "shell/lab.h"

#include "labs/grader/kernel.h"
#include "shell/file.h"
#include "shell/lab_process.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum {
    MOST_INSTRUCTIONS = 100000000, /* of the kernel for the bare machine */
    SLOWER = 2,                    /* times as many instructions may the other take, and ... */
    MORE = 2000000,                /* ... so many more */
    LEAST_SECONDS = 10,            /* of processor time for a test; limits a broken host only */
    SECONDS_MORE = 200             /* times that of the bare machine, too */
};

struct trial {
    struct kernel_work work;
    struct kernel_evidence expected, got;
    struct lab_child child;
    uint64_t nonce;
    unsigned seconds;
};

/* ---- numbers ---- */

static bool draw(uint64_t low, uint64_t high, uint64_t *number)
{
    if (getrandom(number, sizeof *number, 0) != sizeof *number)
        return false;
    *number = low + *number % (high - low + 1);
    return true;
}

/* Copies `from`, with a number for each "[LOW-HIGH]". */
static bool fill_in(const char *from, char *to, size_t room)
{
    size_t used = 0;
    while (*from && used + 1 < room) {
        unsigned long long low, high;
        uint64_t number;
        int length = 0;
        if (sscanf(from, "[%llu-%llu]%n", &low, &high, &length) == 2 && length > 0 && low <= high) {
            if (!draw(low, high, &number))
                return false;
            used += (size_t)snprintf(to + used, room - used, "%llu", (unsigned long long)number);
            from += length;
        } else {
            to[used++] = *from++;
        }
    }
    to[used < room ? used : room - 1] = '\0';
    return !*from && used < room;
}

/* ---- building ---- */

static bool prepare(const struct lab *lab, struct lab_test *test, char why[LAB_SENTENCE])
{
    char path[LAB_PATH];
    struct vmm_file file = {0};
    struct vmm_error error;
    if (!lab_join(path, lab->places.built, "give/bare.elf") ||
        !vmm_file_read(path, &file, &error) || file.size > KERNEL_FILE ||
        !(test->guest = malloc(file.size))) {
        snprintf(why, LAB_SENTENCE, "the kernel for the bare machine, '%.1000s', cannot be read",
                 path);
        vmm_file_free(&file);
        return false;
    }
    memcpy(test->guest, file.bytes, file.size);
    test->guest_size = file.size;
    vmm_file_free(&file);
    return true;
}

static bool build(struct lab_job *job)
{
    struct lab_result *result = job->result;
    return lab_compile_kernel(job->lab, job->submission, job->work, result->output,
                              sizeof result->output);
}

/* ---- runs ---- */

static bool run_bare(struct lab_job *job, const struct lab_test *test, struct trial *trial)
{
    struct kernel_run run = {.work = &trial->work, .evidence = &trial->expected};
    struct vmm_error error = {0};
    const clock_t start = clock();
    trial->work.limit = MOST_INSTRUCTIONS;
    trial->work.size = (uint32_t)test->guest_size;
    const bool good = kernel_create(&run, "bare", &error) && kernel_boot(&run, test->guest, &error);
    vmm_destroy(run.vm);
    if (!good)
        snprintf(job->why, sizeof job->why, "the kernel for the bare machine: %s", error.text);
    trial->work.limit = trial->expected.end.instructions * SLOWER + MORE;
    trial->seconds =
        LEAST_SECONDS + (unsigned)((double)(clock() - start) / CLOCKS_PER_SEC * SECONDS_MORE);
    return good;
}

/* The runner had a guest that means no good: what it sends is read with care. */
static void tidy(struct kernel_evidence *e)
{
    struct kernel_place *const places[] = {&e->end, &e->refusal, &e->privilege, &e->opening};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        places[i]->symbol[sizeof places[i]->symbol - 1] = '\0';
        places[i]->text[sizeof places[i]->text - 1] = '\0';
    }
    e->sentence[sizeof e->sentence - 1] = '\0';
    if (e->refused_call >= KERNEL_CALLS)
        e->refused_call = KERNEL_CALLS - 1;
    if (e->mark_count > KERNEL_MARKS)
        e->mark_count = KERNEL_MARKS;
}

static bool run_submission(struct lab_job *job, struct trial *trial)
{
    char path[LAB_PATH];
    struct vmm_file file = {0};
    struct vmm_error error;
    uint8_t *input = NULL;
    bool good = lab_join(path, job->work, "kernel.elf") && vmm_file_read(path, &file, &error) &&
                file.size <= KERNEL_FILE && (input = malloc(sizeof trial->work + file.size));
    if (good) {
        trial->work.size = file.size;
        memcpy(input, &trial->work, sizeof trial->work);
        memcpy(input + sizeof trial->work, file.bytes, file.size);
        good = lab_run_runner(job, job->lab->technique, input, sizeof trial->work + file.size,
                              trial->nonce, trial->seconds, &trial->got, sizeof trial->got,
                              &trial->child);
    } else {
        snprintf(job->why, sizeof job->why, "'%.1000s' cannot be read", path);
    }
    free(input);
    vmm_file_free(&file);
    tidy(&trial->got);
    return good;
}

/* ---- the score ---- */

/* The sentence of a test that failed; `at` is where, NULL: nowhere in particular. */
static __attribute__((format(printf, 4, 5))) bool fail(struct lab_test *test,
                                                       const struct trial *trial,
                                                       const struct kernel_place *at,
                                                       const char *format, ...)
{
    char what[1000], first[220] = "", then[64] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (at) {
        snprintf(first, sizeof first,
                 "Instruction %llu of the guest, at EIP 0x%08x%s%.47s%s:\n    ",
                 (unsigned long long)at->instructions + 1, at->eip, at->symbol[0] ? " <" : "",
                 at->symbol, at->symbol[0] ? ">" : "");
        snprintf(then, sizeof then, "'until %llu', ", (unsigned long long)at->instructions);
    }
    snprintf(
        test->output, sizeof test->output,
        "%s%s\nHint: %s\n"
        "To see it: make kernel.elf && vmm debug -t para -m %uM --append '%s' kernel.elf, then "
        "%s'trap', 'why'",
        first, what, test->hint, KERNEL_MEMORY >> 20, trial->work.line, then);
    return false;
}

static const char *const errors[] = {"no error",
                                     "no such call",
                                     "nothing there, or it may not be accessed so",
                                     "a number out of range",
                                     "a frame that the guest does not have",
                                     "a page table would be writable, or a frame have two uses",
                                     "reserved bits, a large or a global page, the VMM's own slot",
                                     "not now: before ATTACH, or before paging"};

static bool judge_refusal(struct lab_test *test, const struct trial *trial)
{
    const struct kernel_evidence *got = &trial->got;
    const unsigned error = (unsigned)-got->refused_error;
    return fail(test, trial, &got->refusal,
                "the VMM refused the hypercall %s: error %d, %s (updates made before: %u)",
                kernel_call_names[got->refused_call], got->refused_error,
                error < sizeof errors / sizeof *errors ? errors[error] : "an unknown one",
                got->made_before);
}

/* The line of `text` that has offset `at`, printable. */
static const char *line_at(const char *text, size_t length, size_t at, char line[200])
{
    size_t begin = at < length ? at : length, used = 0;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    for (size_t i = begin; i < length && text[i] != '\n' && used < 160; i++)
        line[used++] = isprint((unsigned char)text[i]) ? text[i] : '?';
    line[used] = '\0';
    return begin == length ? "(nothing more)" : line;
}

static size_t kept(const struct kernel_evidence *e)
{
    return e->length < KERNEL_CONSOLE ? e->length : KERNEL_CONSOLE;
}

/* Who wrote the byte at `offset`; or where the run ended. */
static struct kernel_place writer(const struct kernel_evidence *e, size_t offset)
{
    struct kernel_place place = e->end;
    for (uint32_t i = 0; i < e->mark_count && offset < e->length; i++)
        if (e->marks[i].offset <= offset)
            place = (struct kernel_place){.instructions = e->marks[i].instructions,
                                          .eip = e->marks[i].eip};
    return place;
}

static bool judge_console(struct lab_test *test, const struct trial *trial)
{
    const struct kernel_evidence *expected = &trial->expected, *got = &trial->got;
    char has[200], wanted[200];
    size_t at = 0, most = kept(expected) < kept(got) ? kept(expected) : kept(got);
    while (at < most && expected->console[at] == got->console[at])
        at++;
    const struct kernel_place place = writer(got, at);
    if (at == KERNEL_CONSOLE)
        return fail(test, trial, NULL,
                    "The console has %u bytes, expected %u; the first %d are right", got->length,
                    expected->length, KERNEL_CONSOLE);
    if (got->length >= KERNEL_FLOOD)
        return fail(test, trial, &place, "the console has more than %d bytes: nobody reads that",
                    KERNEL_FLOOD);
    if (at == kept(got) && got->stop == VMM_STOP_LIMIT)
        return fail(test, trial, &place,
                    "the kernel is still running, and on the bare machine it was through after "
                    "%llu instructions; the console lacks:\n    %s",
                    (unsigned long long)expected->end.instructions,
                    line_at(expected->console, kept(expected), at, wanted));
    return fail(test, trial, &place, "the console has: %s\n    expected:        %s%s%s",
                line_at(got->console, kept(got), at, has),
                line_at(expected->console, kept(expected), at, wanted),
                got->stop == VMM_STOP_EXIT ? "" : "\n    ",
                got->stop == VMM_STOP_EXIT ? "" : got->sentence);
}

/* "mmu 5, console_write 3": how often a hypercall may be made. */
static bool judge_budget(struct lab_test *test, const struct trial *trial)
{
    const struct kernel_evidence *got = &trial->got;
    char budget[200], *state;
    lab_field(test->text, "most: ", budget, sizeof budget);
    for (char *each = strtok_r(budget, ",", &state); each; each = strtok_r(NULL, ",", &state)) {
        char name[32], batches[80] = "";
        unsigned most;
        if (sscanf(each, " %31s %u", name, &most) != 2)
            continue;
        const uint32_t number = kernel_call_number(name), count = got->calls[number];
        if (number == VMM_HC_MMU)
            snprintf(batches, sizeof batches, ": %u updates, at most %u in a batch", got->updates,
                     got->largest);
        if (count > most)
            return fail(test, trial, NULL, "The hypercall %s was made %u times, %u are enough%s",
                        name, count, most, batches);
    }
    return true;
}

/* The right text is not enough where there is another way to print it. */
static bool judge_work(struct lab_test *test, const struct trial *trial)
{
    const struct kernel_evidence *expected = &trial->expected, *got = &trial->got;
    char least[16], line[128];
    lab_field(test->text, "least: updates ", least, sizeof least);
    lab_field(trial->work.line, "probe=", line, sizeof line);
    if (got->updates < strtoul(least, NULL, 10))
        return fail(test, trial, NULL,
                    "There were %u updates of page tables, and at least %s are needed",
                    got->updates, least);
    if (got->paging != expected->paging)
        return fail(test, trial, NULL, "Paging is %s at the end, and on the bare machine it is %s",
                    got->paging ? "on" : "off", expected->paging ? "on" : "off");
    /* More there may be: setting the 8254 is an edge on its output, if that was low. */
    if (line[0] && got->events < expected->events)
        return fail(test, trial, NULL,
                    "The kernel was interrupted by %u events, and on the bare machine by %u",
                    got->events, expected->events);
    return true;
}

/* What the user programs did, and how their kernel was entered. */
static bool judge_behaviour(struct lab_test *test, const struct trial *trial)
{
    const struct kernel_evidence *expected = &trial->expected, *got = &trial->got;
    const bool as_many =
        got->user_calls == expected->user_calls && got->user_faults == expected->user_faults;
    if (got->unmasked)
        return fail(test, trial, &got->opening,
                    "a handler was entered while events are let through; %u times in all",
                    got->unmasked);
    if (!as_many || got->user_sum != expected->user_sum)
        return fail(test, trial, NULL,
                    "The user programs have not done what they do on the bare machine: %u system "
                    "calls, expected %u; %u page faults, expected %u%s",
                    got->user_calls, expected->user_calls, got->user_faults, expected->user_faults,
                    as_many ? "; as many, but others" : "");
    return judge_work(test, trial) && judge_budget(test, trial);
}

/* A kernel that is refused something has to say so, and to end. */
static bool judge_panic(struct lab_test *test, const struct trial *trial, const char *sentence)
{
    const struct kernel_evidence *got = &trial->got;
    char last[200];
    line_at(got->console, kept(got), kept(got) ? kept(got) - 1 : 0, last);
    if (!got->refused)
        return fail(test, trial, &got->end,
                    "the VMM has refused nothing, and it should have; the last line of the console "
                    "is: %s",
                    last);
    if (strcmp(last, sentence) == 0 && got->stop == VMM_STOP_EXIT && got->exit_code == 99 &&
        !got->after_refusal)
        return true;
    return fail(test, trial, &got->refusal,
                "the VMM refused the hypercall %s (error %d), and the kernel made %u more calls; "
                "the last line of the console\n    is:       %s\n    expected: %s",
                kernel_call_names[got->refused_call], got->refused_error, got->after_refusal, last,
                sentence);
}

static bool judge(struct lab_test *test, const struct trial *trial)
{
    const struct kernel_evidence *expected = &trial->expected, *got = &trial->got;
    const struct lab_child *child = &trial->child;
    char room[256], sentence[200];
    lab_field(test->text, "refused: ", sentence, sizeof sentence);
    if (child->status != 0 || child->late || child->flooded || child->count != sizeof *got ||
        got->nonce != trial->nonce)
        return fail(test, trial, NULL, "The kernel could not be run to its end: %s",
                    lab_ending(child, trial->seconds, room, sizeof room));
    if (got->privileged)
        return fail(test, trial, &got->privilege,
                    "the kernel executes '%s', which is privileged; %u such instructions in all",
                    got->privilege.text, got->privileged);
    if (sentence[0])
        return judge_panic(test, trial, sentence);
    if (got->refused)
        return judge_refusal(test, trial);
    if (got->length != expected->length || got->hash != expected->hash)
        return judge_console(test, trial);
    if (got->stop != expected->stop || got->exit_code != expected->exit_code)
        return fail(test, trial, &got->end, "the exit code is %u, expected %u\n    %s",
                    got->exit_code, expected->exit_code, got->sentence);
    return judge_behaviour(test, trial);
}

static bool run(struct lab_job *job, struct lab_test *test)
{
    char line[256], typed[128];
    struct trial *trial = calloc(1, sizeof *trial);
    snprintf(job->why, sizeof job->why, "the host has no memory or no random numbers");
    lab_field(test->text, "append: ", line, sizeof line);
    lab_field(test->text, "typed: ", typed, sizeof typed - 1);
    if (typed[0])
        strcat(typed, "\n");
    bool good = trial && fill_in(line, trial->work.line, sizeof trial->work.line) &&
                fill_in(typed, trial->work.typed, sizeof trial->work.typed) &&
                draw(1, UINT64_MAX - 1, &trial->nonce) && run_bare(job, test, trial) &&
                run_submission(job, trial);
    if (good) {
        test->passed = judge(test, trial);
        test->score = test->passed ? test->points : 0;
    }
    free(trial);
    return good;
}

const struct lab_kind lab_kind_kernel = {
    .name = "kernel", .build = build, .prepare = prepare, .run = run};
