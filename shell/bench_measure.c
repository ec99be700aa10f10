/* How an operation is measured: the guest does it N times in one run and 2 N times in another, and
 * the difference, divided by N, is the operation alone, without what the guest does before and
 * behind. Instructions and exits are exact and the same every time; for host times the median of
 * several such differences is taken. */
#include "shell/bench.h"

#include "shell/console.h"
#include "shell/file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MEMORY = 17 << 20,
    ABSENT = 1, /* exit code of a guest that does not have the operation */
    CENSUS = 4, /* repetitions that are stepped through, at most */
    CENSUS_MACRO = 1,
    REPEATS = 0x1FA,        /* offset of a word in the disk's boot sector */
    LIMIT = 1000000000,     /* instructions of any run */
    BOOT_LIMIT = 10000000,  /* instructions before the operation begins */
    TIMES = 5,              /* differences that a median is of */
    LONG_ENOUGH = 10000000, /* host nanoseconds of a run that is timed */
    MOST_REPETITIONS = 1 << 22
};

/* ---- one run ---- */

struct run {
    struct vmm_vm *vm;
    struct vmm_statistics statistics;
    double exits[EXIT_KINDS], all_exits, rooms;
};

/* Tells the guest what to do and how often: in `line`, or in its image. */
static void instruct(const struct bench_operation *operation, unsigned n,
                     const struct vmm_file *image, char line[64])
{
    *line = '\0';
    if (operation->guest == GUEST_NANO)
        snprintf(line, 64, "w=%s n=%u", operation->name, n);
    else if (operation->guest == GUEST_KERNEL)
        snprintf(line, 64, "run=forktest rounds=%u", n);
    else if (operation->guest == GUEST_DISK && image->size >= REPEATS + sizeof n)
        memcpy((uint8_t *)(uintptr_t)image->bytes + REPEATS, &n,
               sizeof n); /* read by us, so ours */
}

static struct vmm_vm *make(const struct bench_subject *subject, const struct vmm_file *image,
                           const struct bench_operation *operation, unsigned n,
                           struct vmm_error *error)
{
    char line[64];
    const struct vmm_config config = {
        .technique = subject->technique, .memory_size = MEMORY, .mmu = subject->mmu};
    instruct(operation, n, image, line);
    struct vmm_vm *vm = vmm_create(&config, error);
    const struct vmm_image loaded = {.file = *image, .cmdline = line};
    if (vm && vmm_load(vm, &loaded, error) == VMM_OK)
        return vm;
    vmm_destroy(vm);
    return NULL;
}

static void on_record(void *context, const struct vmm_record *record)
{
    double *rooms = context;
    *rooms += (double)strlen(record->walk);
}

double bench_exits(const struct vmm_vm *vm, double exits[EXIT_KINDS])
{
    struct vmm_cause_count cause;
    double all = 0;
    for (size_t i = 0; vmm_cause(vm, i, &cause); i++) {
        exits[bench_exit_of(cause.cause)] += (double)cause.count;
        all += (double)cause.count;
    }
    return all;
}

/* Runs it to its end. False with a sentence in result->why if that is not the one it should come
 * to. */
static bool run_whole(struct run *run, struct bench_result *result,
                      const struct bench_subject *subject, const struct vmm_file *image,
                      const struct bench_operation *operation, unsigned n, bool watched)
{
    struct vmm_error error;
    *run = (struct run){.vm = make(subject, image, operation, n, &error)};
    if (!run->vm) {
        snprintf(result->why, sizeof result->why, "%.255s", error.text);
        return false;
    }
    if (watched)
        vmm_watch(run->vm, on_record, &run->rooms);
    vmm_console_enter(run->vm);
    vmm_run(run->vm, LIMIT);
    vmm_console_leave();
    vmm_statistics(run->vm, &run->statistics);
    run->all_exits = bench_exits(run->vm, run->exits);
    bool ended = run->statistics.stop == VMM_STOP_EXIT, good = ended && !run->statistics.exit_code;
    result->absent = ended && run->statistics.exit_code == ABSENT;
    if (!good)
        snprintf(result->why, sizeof result->why, "%.255s", vmm_stop_text(run->vm));
    result->interrupted = run->statistics.stop == VMM_STOP_USER;
    vmm_destroy(run->vm);
    return good;
}

/* ---- counts of the technique ---- */

static double each(double twice, double once, unsigned n)
{
    return (twice - once) / n;
}

/* Operations in `n` repetitions. */
static unsigned times(const struct bench_operation *operation, unsigned n)
{
    return operation->each ? n * operation->each : n;
}

static bool count(struct bench_result *result, const struct bench_subject *subject,
                  const struct vmm_file *image, const struct bench_operation *operation,
                  unsigned counted)
{
    struct run once, twice;
    unsigned n = counted;
    if (!run_whole(&once, result, subject, image, operation, n, true) ||
        !run_whole(&twice, result, subject, image, operation, 2 * n, true))
        return false;
    n = times(operation, n);
    const struct vmm_statistics *a = &once.statistics, *b = &twice.statistics;
    struct bench_counts *counts = &result->counts;
    counts->instructions = each((double)b->guest_instructions, (double)a->guest_instructions, n);
    counts->direct = each((double)b->direct, (double)a->direct, n);
    counts->translated = each((double)b->translated, (double)a->translated, n);
    counts->interpreted = each((double)b->interpreted, (double)a->interpreted, n);
    counts->repeats = each((double)b->repeats, (double)a->repeats, n);
    counts->emulated = each((double)b->emulated, (double)a->emulated, n);
    if (subject->kind == KIND_BARE)
        return true; /* what is recorded there is no exit */
    for (unsigned i = 0; i < EXIT_KINDS; i++)
        counts->exits[i] = each(twice.exits[i], once.exits[i], n);
    counts->rooms = each(twice.rooms, once.rooms, n);
    result->all_exits = each(twice.all_exits, once.all_exits, n);
    return true;
}

/* ---- counts of the architecture ---- */

/* Runs the guest to `nano_begin` if it has such a place, counts to `nano_end` or to the end. */
static bool step_through(const char *technique, const struct vmm_file *image,
                         const struct bench_operation *operation, unsigned n,
                         struct vmm_census *census, struct vmm_error *error)
{
    const struct bench_subject subject = {.technique = technique};
    struct vmm_vm *vm = make(&subject, image, operation, n, error);
    uint32_t begin, end;
    bool done = false;
    *census = (struct vmm_census){0};
    if (vm && operation->guest != GUEST_NANO) {
        vmm_count(vm, BOOT_LIMIT, UINT_MAX, census);
        done = vmm_run(vm, 1) == VMM_STOP_EXIT;
    } else if (vm && vmm_symbol_address(vm, "nano_begin", &begin) &&
               vmm_symbol_address(vm, "nano_end", &end) &&
               vmm_break_add(vm, begin, error) == VMM_OK) {
        vmm_run(vm, BOOT_LIMIT);
        vmm_break_delete(vm, begin);
        done = vmm_count(vm, BOOT_LIMIT, end, census);
    }
    vmm_destroy(vm);
    return done;
}

/* What the operation in `image` consists of; the same whichever technique runs it. */
static bool take_census(struct bench_counts *counts, const char *technique,
                        const struct vmm_file *image, const struct bench_operation *operation,
                        char why[256])
{
    unsigned most = operation->suite == SUITE_NANO ? CENSUS : CENSUS_MACRO;
    unsigned n = operation->counted < most ? operation->counted : most;
    struct vmm_census a, b;
    struct vmm_error error = {0};
    if (!step_through(technique, image, operation, n, &a, &error) ||
        !step_through(technique, image, operation, 2 * n, &b, &error)) {
        snprintf(why, 256, "The operation cannot be stepped through.");
        return false;
    }
    n = times(operation, n);
    counts->indirect = each((double)b.indirect, (double)a.indirect, n);
    counts->exceptions = each((double)b.exceptions, (double)a.exceptions, n);
    counts->system_calls = each((double)b.software_interrupts, (double)a.software_interrupts, n);
    counts->interrupts = each((double)b.interrupts, (double)a.interrupts, n);
    counts->ports = each((double)b.port_accesses, (double)a.port_accesses, n);
    counts->port_instructions = each((double)b.port_instructions, (double)a.port_instructions, n);
    counts->control_writes = each((double)(b.control_writes + b.space_switches),
                                  (double)(a.control_writes + a.space_switches), n);
    counts->tlb_misses = each((double)b.tlb_misses, (double)a.tlb_misses, n);
    return true;
}

/* Who is stepped: the bare machine, unless the image is for one technique alone. What takes
 * millions of steps the interpreter does, which executes the same instructions twenty times as
 * fast. */
static const char *stepped(const char *technique, const struct bench_operation *operation)
{
    if (strcmp(technique, "para") == 0)
        return "para";
    return operation->suite == SUITE_NANO ? "bare" : "interp";
}

static bool same_source(const struct bench *bench, size_t o, size_t i, size_t s)
{
    return strcmp(bench->result[o][i].image, bench->result[o][s].image) == 0 ||
           (bench_operations[o].suite == SUITE_MACRO &&
            strcmp(bench->subject[s].technique, "para") == 0);
}

/* The census of an earlier subject that runs the same image, if there is one. Of the paravirtual
 * build of a larger guest the architecture's part is taken from the other one: what differs are
 * traps, which are not counted here. */
static bool borrow_census(struct bench *bench, size_t s, size_t o)
{
    struct bench_counts *to = &bench->result[o][s].counts;
    for (size_t i = 0; i < s; i++) {
        const struct bench_counts *from = &bench->result[o][i].counts;
        if (!bench->result[o][i].good || !same_source(bench, o, i, s))
            continue;
        to->indirect = from->indirect;
        to->exceptions = from->exceptions;
        to->system_calls = from->system_calls;
        to->interrupts = from->interrupts;
        to->ports = from->ports;
        to->port_instructions = from->port_instructions;
        to->control_writes = from->control_writes;
        to->tlb_misses = from->tlb_misses;
        return true;
    }
    return false;
}

/* ---- host time ---- */

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool time_once(double *ns, struct bench_result *result, const struct bench_subject *subject,
                      const struct vmm_file *image, const struct bench_operation *operation,
                      unsigned n)
{
    struct run run;
    bool good = run_whole(&run, result, subject, image, operation, n, false);
    *ns = (double)run.statistics.host_ns;
    return good;
}

static bool measure_time(struct bench_result *result, const struct bench_subject *subject,
                         const struct vmm_file *image, const struct bench_operation *operation,
                         unsigned counted)
{
    double difference[TIMES], once, twice = 0;
    unsigned n = counted;
    while (n < MOST_REPETITIONS && time_once(&twice, result, subject, image, operation, n) &&
           twice < LONG_ENOUGH)
        n *= 2;
    for (unsigned i = 0; i < TIMES; i++) {
        if (!time_once(&once, result, subject, image, operation, n) ||
            !time_once(&twice, result, subject, image, operation, 2 * n))
            return false;
        difference[i] = each(twice, once, times(operation, n));
    }
    qsort(difference, TIMES, sizeof *difference, compare_doubles);
    result->host_ns = difference[TIMES / 2];
    return true;
}

/* ---- all ---- */

static int complain(struct vmm_error *error, int code, const char *text)
{
    error->code = code;
    snprintf(error->text, sizeof error->text, "%s", text);
    return -1;
}

int bench_read(const char *folder, const char *name, struct vmm_file *file, struct vmm_error *error)
{
    char path[BENCH_PATH + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return vmm_file_read(path, file, error) ? 0 : -1;
}

static int read_image(const struct bench *bench, const struct bench_operation *operation,
                      const char *name, struct vmm_file *file, struct vmm_error *error)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s.%s", name, operation->guest == GUEST_DISK ? "bin" : "elf");
    int status = bench_read(bench->guests, whole, file, error);
    file->name = name; /* `whole` goes */
    return status;
}

/* The build of the guest that a technique needs; "" if there is none. */
static const char *image_of(const struct bench_operation *operation, const char *technique)
{
    const char *image = operation->image;
    if (strcmp(technique, "para") == 0)
        image = operation->paravirtual;
    else if (strcmp(technique, "trap") == 0)
        image = operation->virtualizable;
    return image ? image : "";
}

static void by_difference(struct bench *bench, size_t s, size_t o, const struct vmm_file *image)
{
    const struct bench_subject *subject = &bench->subject[s];
    const struct bench_operation *operation = &bench_operations[o];
    struct bench_result *result = &bench->result[o][s];
    unsigned n = operation->counted * (operation->suite == SUITE_MACRO ? bench->scale : 1);
    result->good = count(result, subject, image, operation, n) &&
                   (borrow_census(bench, s, o) ||
                    take_census(&result->counts, stepped(subject->technique, operation), image,
                                operation, result->why)) &&
                   (!bench->timed || measure_time(result, subject, image, operation, n));
}

static int measure_one(struct bench *bench, size_t s, size_t o, struct vmm_error *error)
{
    const struct bench_subject *subject = &bench->subject[s];
    const struct bench_operation *operation = &bench_operations[o];
    struct bench_result *result = &bench->result[o][s];
    const struct bench_costs costs = bench_costs();
    struct vmm_file image = {0};
    int status = 0;
    *result = (struct bench_result){.image = image_of(operation, subject->technique)};
    if (!*result->image)
        snprintf(result->why, sizeof result->why,
                 "Technique %s runs kernels built for it alone, and of this guest there is no such "
                 "build.",
                 subject->technique);
    else if (operation->guest == GUEST_LINUX)
        bench_linux(bench, s, o);
    else if ((status = read_image(bench, operation, result->image, &image, error)) == 0)
        by_difference(bench, s, o, &image);
    if (result->good)
        result->cycles = bench_cycles(subject->kind, subject->references, &result->counts, &costs);
    vmm_file_free(&image);
    return status;
}

int bench_measure(struct bench *bench, struct vmm_error *error)
{
    for (size_t s = 0; s < bench->subjects; s++)
        for (size_t o = 0; o < BENCH_OPERATIONS; o++) {
            if (bench->wanted[o] && measure_one(bench, s, o, error) != 0)
                return -1;
            if (bench->result[o][s].interrupted)
                return complain(error, VMM_E_STATE, "interrupted");
        }
    return 0;
}
