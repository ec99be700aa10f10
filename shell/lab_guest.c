/* Labs in which the student's functions go into slots of the VMM: a guest runs with them in a
 * process of its own, and with the library's own modules in this one, and the two are compared
 * instruction by instruction. The process with the student's code is not believed: it sends states,
 * not verdicts, of guests whose numbers are drawn after the build. Whatever else happens over
 * there - a crash, exit(0), text that looks like a result - leaves states missing, and a missing
 * state is a failed test with a sentence. */
#include "shell/lab_guest.h"

#include "labs/grader/install.h"
#include "shell/file.h"
#include "shell/lab_allocate.h"
#include "shell/lab_compare.h"
#include "shell/lab_process.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    RANDOM_OFFSET = 8, /* in the guest: see labs/guest.inc */
    RANDOM_BYTES = 32,
    LEAST_SECONDS = 3, /* of processor time for a test */
    SLOWER = 100       /* times slower than the library a module may be, too */
};

/* ---- building ---- */

bool lab_guest_prepare(const struct lab *lab, struct lab_test *test, char why[LAB_SENTENCE])
{
    char folder[LAB_PATH], out[LAB_PATH];
    struct vmm_file file = {0};
    struct vmm_error error;
    if (!lab_make_folder(folder)) {
        snprintf(why, LAB_SENTENCE, "no temporary folder can be made");
        return false;
    }
    bool good = lab_join(out, folder, "guest.bin") && lab_assemble(lab, test->path, out, why);
    if (good && !(vmm_file_read(out, &file, &error) && file.size <= LAB_GUEST_ROOM &&
                  file.size >= RANDOM_OFFSET + RANDOM_BYTES && (test->guest = malloc(file.size)))) {
        snprintf(why, LAB_SENTENCE, "%s is no guest of a lab", test->file);
        good = false;
    }
    if (good) {
        memcpy(test->guest, file.bytes, file.size);
        test->guest_size = file.size;
    }
    vmm_file_free(&file);
    lab_remove_folder(folder);
    return good;
}

bool lab_guest_build(struct lab_job *job)
{
    struct lab_result *result = job->result;
    return lab_compile(job->lab, job->submission, job->work, result->output,
                       sizeof result->output) &&
           lab_accept(job, "vmm_call_ vmm_delivery_ vmm_frame_ vmm_code_ vmm_exits_");
}

/* ---- one test ---- */

struct trial {
    struct lab_evidence *expected, *got;
    size_t wanted, count; /* how many there are of each */
    uint64_t nonce;
    unsigned seconds;
    struct lab_child child;
    uint8_t *guest;
    size_t size;
};

unsigned lab_guest_seconds(clock_t used)
{
    return LEAST_SECONDS + (unsigned)((double)used / CLOCKS_PER_SEC * SLOWER);
}

/* Whoever is asked how many exits there will be has to know what there were. */
static void expect_prediction(struct trial *trial)
{
    struct lab_workload work;
    for (size_t i = 0; i < trial->wanted; i++)
        trial->expected[i].predicted = LAB_NO_PREDICTION;
    if (trial->wanted && lab_read_workload(&work, trial->guest, trial->size))
        trial->expected[trial->wanted - 1].predicted = trial->expected[trial->wanted - 1].exits;
}

static bool run_reference(struct lab_job *job, struct trial *trial)
{
    static const struct lab_module none[] = {{NULL, {NULL}, NULL}};
    static struct lab_machine machine;
    struct vmm_error error = {0};
    clock_t start = clock();
    bool more =
        lab_machine_create(&machine, job->lab->technique, trial->guest, trial->size, &error) &&
        lab_install_machine(&machine, machine.plan.vms > 1 ? lab_allocator : none, &error) ==
            VMM_OK &&
        lab_machine_load(&machine, trial->guest, trial->size, &error);
    if (!more)
        snprintf(job->why, sizeof job->why, "%s", error.text);
    while (more && trial->wanted < LAB_STEPS)
        more = lab_machine_step(&machine, &trial->expected[trial->wanted++]);
    expect_prediction(trial);
    lab_machine_destroy(&machine);
    trial->seconds = lab_guest_seconds(clock() - start);
    return trial->wanted > 0;
}

static bool run_module(struct lab_job *job, struct trial *trial)
{
    if (!lab_run_runner(job, job->lab->technique, trial->guest, trial->size, trial->nonce,
                        trial->seconds, trial->got, LAB_STEPS * sizeof *trial->got, &trial->child))
        return false;
    trial->count = trial->child.count / sizeof *trial->got;
    return true;
}

/* ---- the score ---- */

/* What the guest was to do this time, for whoever has to say how many exits that takes. */
static void add_workload(const struct trial *trial, char *what, size_t room)
{
    struct lab_workload w;
    size_t used = strlen(what);
    if (lab_read_workload(&w, trial->guest, trial->size))
        snprintf(what + used, room - used,
                 "    its workload: cpuid %u, rdmsr %u, out %u, cr3 %u, invlpg %u, rdtsc %u, pages "
                 "%u, void_pages %u, tables %u\n",
                 w.cpuid, w.rdmsr, w.out, w.cr3, w.invlpg, w.rdtsc, w.pages, w.void_pages,
                 w.tables);
}

/* The state of the same VM before the step. */
static const struct lab_evidence *lab_before(const struct lab_evidence *expected, size_t step)
{
    for (size_t i = step; i-- > 0;)
        if (expected[i].vm == expected[step].vm)
            return &expected[i];
    return NULL;
}

static void fail_test(const struct lab_job *job, struct lab_test *test,
                      const struct lab_evidence *expected, size_t step, const char *what)
{
    char who[16] = "";
    struct lab_plan plan;
    const struct lab_evidence *before = lab_before(expected, step);
    char at[64] = "", behind[64] = "", until[32] = "";
    bool kernel = lab_is_kernel(test->guest, test->guest_size);
    unsigned long long done = before ? before->instructions : 0;
    lab_read_plan(&plan, test->guest, test->guest_size);
    const bool several = plan.vms > 1;
    if (several)
        snprintf(who, sizeof who, "VM %u, ", expected[step].vm);
    else if (!kernel)
        done = step;
    struct lab_workload work;
    const bool foretold = expected[step].predicted != LAB_NO_PREDICTION &&
                          lab_read_workload(&work, test->guest, test->guest_size);
    int stem = (int)strlen(test->file) - 2, length = (int)strlen(what);
    while (length > 0 && what[length - 1] == '\n')
        length--;
    if (kernel)
        snprintf(behind, sizeof behind, ", or one of the %d behind it", LAB_STRIDE - 1);
    if (before)
        snprintf(at, sizeof at, ", at EIP 0x%08x", before->registers.eip);
    if (before && !foretold)
        snprintf(until, sizeof until, "'until %llu', ", done);
    /* The prompt has one VM, with the library's allocator: there the guest itself can be seen. */
    char lab[32];
    snprintf(lab, sizeof lab, several ? "-m %ldM" : "--lab %ld -m 4M",
             several ? (long)LAB_MACHINE_MEMORY >> 20 : job->lab->number);
    snprintf(test->output, sizeof test->output,
             "%sInstruction %llu of the guest %s%s%s:\n%.*s\nHint: %s\n"
             "To see %s: make %.*s.bin && vmm debug %s %s%.*s.bin, then %s%s",
             who, done + 1, test->file, behind, at, length < 900 ? length : 900, what, test->hint,
             several ? "the guest" : "it", stem, test->file, lab,
             kernel ? "" : "--load flat@0x100000 ", stem, test->file, until,
             several    ? "'x/4i $eip'"
             : foretold ? "'continue', 'info stats'"
                        : "'trap', 'why'");
}

static bool same(const struct lab_evidence *a, const struct lab_evidence *b)
{
    char text[LAB_SENTENCE];
    lab_differences(a, b, text, sizeof text);
    return !text[0];
}

static void judge(const struct lab_job *job, struct lab_test *test, const struct trial *trial)
{
    char what[LAB_SENTENCE], room[256];
    const struct lab_child *child = &trial->child;
    size_t i = 0;
    while (i < trial->wanted && i < trial->count && trial->got[i].nonce == trial->nonce &&
           same(&trial->expected[i], &trial->got[i]))
        i++;
    test->passed = i == trial->wanted && trial->count == trial->wanted && child->status == 0 &&
                   !child->late && !child->flooded;
    test->score = test->passed ? test->points : 0;
    if (test->passed)
        return;
    if (i < trial->count && i < trial->wanted && trial->got[i].nonce == trial->nonce)
        lab_differences(&trial->expected[i], &trial->got[i], what, sizeof what);
    else
        snprintf(what, sizeof what, "    %s",
                 trial->count > i && !child->flooded
                     ? "the module wrote to the grader's channel itself"
                     : lab_ending(child, trial->seconds, room, sizeof room));
    if (i < trial->wanted && trial->expected[i].predicted != LAB_NO_PREDICTION)
        add_workload(trial, what, sizeof what);
    fail_test(job, test, trial->expected, i < trial->wanted ? i : i - 1, what);
}

bool lab_guest_draw(const struct lab_test *test, uint8_t *guest, uint64_t *nonce)
{
    memcpy(guest, test->guest, test->guest_size);
    if (getrandom(nonce, sizeof *nonce, 0) != sizeof *nonce)
        return false;
    if (lab_is_kernel(guest, test->guest_size))
        return true;
    if (getrandom(guest + RANDOM_OFFSET, RANDOM_BYTES, 0) != RANDOM_BYTES)
        return false;
    for (int i = 0; i < RANDOM_BYTES; i++)
        guest[RANDOM_OFFSET + i] |= 1; /* no number is small by chance: scores repeat */
    return true;
}

static bool run(struct lab_job *job, struct lab_test *test)
{
    struct trial trial = {.expected = calloc(LAB_STEPS, sizeof *trial.expected),
                          .got = calloc(LAB_STEPS, sizeof *trial.got),
                          .guest = malloc(test->guest_size),
                          .size = test->guest_size};
    snprintf(job->why, sizeof job->why, "the host has no memory or no random numbers");
    bool good = trial.expected && trial.got && trial.guest &&
                lab_guest_draw(test, trial.guest, &trial.nonce) && run_reference(job, &trial) &&
                run_module(job, &trial);
    if (good)
        judge(job, test, &trial);
    free(trial.expected);
    free(trial.got);
    free(trial.guest);
    return good;
}

const struct lab_kind lab_kind_guest = {
    .name = "guest", .build = lab_guest_build, .prepare = lab_guest_prepare, .run = run};
