/* How an operation is measured: the guest does it N times in one run and 2 N times in another, and
 * the difference, divided by N, is the operation alone, without what the guest does before and
 * behind. Instructions and exits are exact and the same every time; for host times the median of
 * several such differences is taken. */
#include "shell/bench.h"

#include "shell/console.h"
#include "shell/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct bench_operation bench_operations[BENCH_OPERATIONS] = {
    {"syscall", "INT 0x80 from ring 3, and IRET", 400},
    {"in", "IN from port 0x80", 400},
    {"crwrite", "MOV to CR0, TS toggled", 400},
    {"callret", "near CALL and RET", 2000},
    {"pgfault", "page fault of the kernel, and IRET", 400},
    {"divzero", "divide error of the kernel, and IRET", 400},
    {"ptemod", "an entry of a page table in use changed", 400},
    {"ptebatch", "64 of them changed, then CR3 reloaded", 40},
    {"ctxswitch", "CR3 and stack switched, 8 pages read", 200},
    {"tick", "HLT, timer interrupt, end of interrupt, IRET", 100},
    {"hypercall", "the plainest call of the VMM: CPUID, or a hypercall", 400},
    {"flags", "interrupt flag saved, cleared, restored", 400},
    {"fork", "64 pages copied on write, 8 of them written", 20},
};

enum {
    MEMORY = 17 << 20,
    ABSENT = 1,             /* exit code of a guest that does not have the operation */
    CENSUS = 4,             /* repetitions that are stepped through, at most */
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

static struct vmm_vm *make(const struct bench_subject *subject, const struct vmm_file *image,
                           const struct bench_operation *operation, unsigned n,
                           struct vmm_error *error)
{
    char line[64];
    const struct vmm_config config = {
        .technique = subject->technique, .memory_size = MEMORY, .mmu = subject->mmu};
    snprintf(line, sizeof line, "w=%s n=%u", operation->name, n);
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

static void count_exits(struct run *run)
{
    struct vmm_cause_count cause;
    for (size_t i = 0; vmm_cause(run->vm, i, &cause); i++) {
        run->exits[bench_exit_of(cause.cause)] += (double)cause.count;
        run->all_exits += (double)cause.count;
    }
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
    count_exits(run);
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

static bool count(struct bench_result *result, const struct bench_subject *subject,
                  const struct vmm_file *image, const struct bench_operation *operation)
{
    struct run once, twice;
    unsigned n = operation->counted;
    if (!run_whole(&once, result, subject, image, operation, n, true) ||
        !run_whole(&twice, result, subject, image, operation, 2 * n, true))
        return false;
    const struct vmm_statistics *a = &once.statistics, *b = &twice.statistics;
    struct bench_counts *counts = &result->counts;
    counts->instructions = each((double)b->guest_instructions, (double)a->guest_instructions, n);
    counts->direct = each((double)b->direct, (double)a->direct, n);
    counts->translated = each((double)b->translated, (double)a->translated, n);
    counts->interpreted = each((double)b->interpreted, (double)a->interpreted, n);
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

static bool step_through(const struct bench_subject *subject, const struct vmm_file *image,
                         const struct bench_operation *operation, unsigned n,
                         struct vmm_census *census, struct vmm_error *error)
{
    struct vmm_vm *vm = make(subject, image, operation, n, error);
    uint32_t begin, end;
    bool done = false;
    *census = (struct vmm_census){0};
    if (vm && vmm_symbol_address(vm, "nano_begin", &begin) &&
        vmm_symbol_address(vm, "nano_end", &end) && vmm_break_add(vm, begin, error) == VMM_OK) {
        vmm_run(vm, BOOT_LIMIT);
        vmm_break_delete(vm, begin);
        done = vmm_count(vm, BOOT_LIMIT, end, census);
    }
    vmm_destroy(vm);
    return done;
}

/* What the operation in `image` consists of; the same whichever technique runs it, so that the bare
 * machine does, unless the image is for one technique alone. */
static bool take_census(struct bench_counts *counts, const char *technique,
                        const struct vmm_file *image, const struct bench_operation *operation,
                        char why[256])
{
    const struct bench_subject subject = {.technique = technique};
    unsigned n = operation->counted < CENSUS ? operation->counted : CENSUS;
    struct vmm_census a, b;
    struct vmm_error error = {0};
    if (!step_through(&subject, image, operation, n, &a, &error) ||
        !step_through(&subject, image, operation, 2 * n, &b, &error)) {
        snprintf(why, 256, "The operation cannot be stepped through.");
        return false;
    }
    counts->indirect = each((double)b.indirect, (double)a.indirect, n);
    counts->exceptions = each((double)b.exceptions, (double)a.exceptions, n);
    counts->system_calls = each((double)b.software_interrupts, (double)a.software_interrupts, n);
    counts->interrupts = each((double)b.interrupts, (double)a.interrupts, n);
    counts->ports = each((double)b.port_accesses, (double)a.port_accesses, n);
    counts->control_writes = each((double)(b.control_writes + b.space_switches),
                                  (double)(a.control_writes + a.space_switches), n);
    counts->tlb_misses = each((double)b.tlb_misses, (double)a.tlb_misses, n);
    return true;
}

static const char *only_under(const struct bench_subject *subject)
{
    return strcmp(subject->image, "nano-para") == 0 ? "para" : "bare";
}

/* The census of an earlier subject that runs the same image, if there is one. */
static bool borrow_census(struct bench *bench, size_t s, size_t o)
{
    struct bench_counts *to = &bench->result[o][s].counts;
    for (size_t i = 0; i < s; i++) {
        const struct bench_counts *from = &bench->result[o][i].counts;
        if (!bench->result[o][i].good ||
            strcmp(bench->subject[i].image, bench->subject[s].image) != 0)
            continue;
        to->indirect = from->indirect;
        to->exceptions = from->exceptions;
        to->system_calls = from->system_calls;
        to->interrupts = from->interrupts;
        to->ports = from->ports;
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
                         const struct vmm_file *image, const struct bench_operation *operation)
{
    double difference[TIMES], once, twice = 0;
    unsigned n = operation->counted;
    while (n < MOST_REPETITIONS && time_once(&twice, result, subject, image, operation, n) &&
           twice < LONG_ENOUGH)
        n *= 2;
    for (unsigned i = 0; i < TIMES; i++) {
        if (!time_once(&once, result, subject, image, operation, n) ||
            !time_once(&twice, result, subject, image, operation, 2 * n))
            return false;
        difference[i] = each(twice, once, n);
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

static int read_image(const struct bench *bench, const char *name, struct vmm_file *file,
                      struct vmm_error *error)
{
    char path[BENCH_PATH + 32];
    snprintf(path, sizeof path, "%s/%s.elf", bench->guests, name);
    if (!vmm_file_read(path, file, error))
        return -1;
    file->name = name; /* `path` goes */
    return 0;
}

static void measure_one(struct bench *bench, size_t s, size_t o, const struct vmm_file *image)
{
    const struct bench_subject *subject = &bench->subject[s];
    const struct bench_operation *operation = &bench_operations[o];
    struct bench_result *result = &bench->result[o][s];
    const struct bench_costs costs = bench_costs();
    *result = (struct bench_result){0};
    result->good = count(result, subject, image, operation) &&
                   (borrow_census(bench, s, o) || take_census(&result->counts, only_under(subject),
                                                              image, operation, result->why)) &&
                   (!bench->timed || measure_time(result, subject, image, operation));
    if (result->good)
        result->cycles = bench_cycles(subject->kind, subject->references, &result->counts, &costs);
}

int bench_measure(struct bench *bench, struct vmm_error *error)
{
    for (size_t s = 0; s < bench->subjects; s++) {
        const struct bench_subject *subject = &bench->subject[s];
        struct vmm_file image = {0};
        int status = read_image(bench, subject->image, &image, error);
        for (size_t o = 0; o < BENCH_OPERATIONS && status == 0; o++) {
            measure_one(bench, s, o, &image);
            if (bench->result[o][s].interrupted)
                status = complain(error, VMM_E_STATE, "interrupted");
        }
        vmm_file_free(&image);
        if (status != 0)
            return status;
    }
    return 0;
}

/* ---- orderings ---- */

const struct bench_subject *bench_subject_of(const struct bench *bench, enum bench_column column)
{
    for (size_t s = 0; s < bench->subjects; s++)
        if (bench->subject[s].column == column)
            return &bench->subject[s];
    return NULL;
}

void bench_ordering_text(const struct bench_ordering *ordering, char *text, size_t room)
{
    static const char *const columns[] = {"native", "software VMM", "hardware VMM"};
    static const char *const relations[] = {[LESS] = "<", [MUCH_LESS] = "<<", [EQUAL] = "="};
    snprintf(text, room, "%s: %s %s %s", ordering->operation, columns[ordering->left],
             relations[ordering->relation], columns[ordering->right]);
}

static const struct bench_result *result_of(const struct bench *bench, const char *operation,
                                            const struct bench_subject *subject)
{
    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        if (strcmp(bench_operations[o].name, operation) == 0)
            return &bench->result[o][subject - bench->subject];
    return NULL;
}

static bool holds_with(const struct bench_ordering *ordering, const struct bench_subject *left,
                       const struct bench_result *l, const struct bench_subject *right,
                       const struct bench_result *r, const struct bench_costs *costs)
{
    return bench_holds(ordering->relation,
                       bench_cycles(left->kind, left->references, &l->counts, costs),
                       bench_cycles(right->kind, right->references, &r->counts, costs));
}

void bench_check(const struct bench *bench, const struct bench_ordering *ordering,
                 struct bench_check *check)
{
    static const double factors[] = {0.7, 1.3};
    const struct bench_subject *left = bench_subject_of(bench, ordering->left),
                               *right = bench_subject_of(bench, ordering->right);
    *check = (struct bench_check){.verdict = ORDER_UNKNOWN};
    if (!left || !right)
        return;
    const struct bench_result *l = result_of(bench, ordering->operation, left),
                              *r = result_of(bench, ordering->operation, right);
    if (!l->good || !r->good)
        return;
    check->left = l->cycles;
    check->right = r->cycles;
    check->left_exits = l->all_exits;
    check->right_exits = r->all_exits;
    bool holds = bench_holds(ordering->relation, l->cycles, r->cycles);
    check->verdict = holds ? ORDER_HOLDS : ORDER_FAILS;
    for (unsigned primitive = 0; primitive < COST_PRIMITIVES; primitive++)
        for (unsigned f = 0; f < 2; f++) {
            const struct bench_costs costs = bench_costs_with(primitive, factors[f]);
            check->perturbed++;
            if (holds_with(ordering, left, l, right, r, &costs) == holds) {
                check->survived++;
                continue;
            }
            size_t used = strlen(check->breaks);
            snprintf(check->breaks + used, sizeof check->breaks - used, "%s%s %s", used ? ", " : "",
                     bench_sources[primitive].name, f ? "+30 %" : "-30 %");
        }
}
