/* The macrobenchmark under a kernel that nobody here wrote: Debian's Linux boots to a shell, which
 * does what a build does (Adams and Agesen, ASPLOS 2006, section 6.2: the build of a kernel): four
 * units, each through a pipeline of processes, and a link. It says ROUND on the console before
 * every round, and behind the last. The first is not measured, the second is timed, and the third
 * is counted, so that one boot does for all. Where the rounds begin is found out on the bare
 * machine; a technique that is equivalent reaches the same place after as many instructions. */
#include "shell/bench.h"

#include "shell/console.h"
#include "shell/file.h"

#include <stdio.h>
#include <string.h>

static const char options[] =
    "console=ttyS0 reboot=k panic=-1 nolapic noapic acpi=off pci=off nosmp nokaslr quiet "
    "lpj=1000000 cryptomgr.notests rdinit=/bin/busybox -- sh -c ";

/* No double quotes in it: the kernel ends the argument at the next one. */
static const char script[] =
    "export PATH=/bin; cd /tmp;"
    "seq 1 %u | sed 's/.*/int f&(int a) { return a * & + SIZE; } int g&;/' >in.c; r=0;"
    "while [ $r -lt 3 ]; do echo ROUND;"
    " for u in a b c d; do"
    "  sed s/SIZE/4096/ in.c | tr -s ' ;(){}' '\\n' |"
    "  awk '{ n[$1]++ } END { for (s in n) print s, n[s] }' | sort >$u.o;"
    " done;"
    " cat a.o b.o c.o d.o | sort -u >out; md5sum <out >sum; rm a.o b.o c.o d.o;"
    " r=$((r + 1)); done;"
    "echo ROUND; cat sum; reboot -f";

enum {
    MEMORY = 64 << 20,
    ROUNDS = 4,       /* places where the console says so */
    TIMED = 1,        /* from this one to the next */
    COUNTED = 2,      /* the same */
    WINDOWS = 8,      /* stretches of the counted round that are stepped through */
    WINDOW = 10000,   /* instructions of each, and as many before them, to fill the TLB */
    MOST_LINES = 4000 /* of a unit */
};

/* One boot. */
struct boot {
    struct vmm_vm *vm;
    struct bench *bench;
    struct bench_result *result;
    bool marks;      /* stop where the console says so: the bare machine */
    size_t matched;  /* letters of the word, so far */
    unsigned rounds; /* times that the console has said it */
    double rooms;
};

/* What a VM's counters are at a place. */
struct moment {
    struct vmm_statistics statistics;
    double exits[EXIT_KINDS], all_exits, rooms;
};

static void on_output(void *context, const uint8_t *bytes, size_t count)
{
    static const char word[] = "ROUND";
    struct boot *boot = context;
    for (size_t i = 0; i < count; i++) {
        boot->matched = bytes[i] == word[boot->matched] ? boot->matched + 1 : bytes[i] == *word;
        if (boot->matched < sizeof word - 1)
            continue;
        boot->matched = 0;
        boot->rounds++;
        if (boot->marks)
            vmm_interrupt(boot->vm);
    }
}

static void on_record(void *context, const struct vmm_record *record)
{
    double *rooms = context;
    *rooms += (double)strlen(record->walk);
}

static bool fail(struct bench_result *result, const char *why)
{
    snprintf(result->why, sizeof result->why, "%.255s", why);
    return false;
}

/* ---- a boot ---- */

static bool start(struct boot *boot, const struct bench_subject *subject,
                  const struct vmm_file *kernel, const struct vmm_file *initrd, unsigned lines)
{
    char text[sizeof script + 16], line[sizeof options + sizeof text + 2];
    struct vmm_error error;
    const struct vmm_config config = {.technique = subject->technique,
                                      .memory_size = MEMORY,
                                      .mmu = subject->mmu,
                                      .console = {.context = boot, .output = on_output}};
    snprintf(text, sizeof text, script, lines < MOST_LINES ? lines : MOST_LINES);
    snprintf(line, sizeof line, "%s\"%s\"", options, text);
    const struct vmm_image image = {.file = *kernel, .initrd = initrd, .cmdline = line};
    boot->vm = vmm_create(&config, &error);
    if (boot->vm && vmm_load(boot->vm, &image, &error) == VMM_OK)
        return true;
    return fail(boot->result, error.text);
}

/* To the instruction at which the bare machine was at its `round`th word. */
static bool run_to(struct boot *boot, unsigned round)
{
    const uint64_t *begin = boot->bench->rounds;
    struct vmm_statistics statistics;
    vmm_statistics(boot->vm, &statistics);
    enum vmm_stop stop =
        vmm_run(boot->vm, boot->marks ? 0 : begin[round] - statistics.guest_instructions);
    vmm_statistics(boot->vm, &statistics);
    if (boot->marks)
        boot->bench->rounds[round] = statistics.guest_instructions;
    if (boot->rounds == round + 1 && stop == (boot->marks ? VMM_STOP_USER : VMM_STOP_LIMIT))
        return true;
    boot->result->interrupted = stop == VMM_STOP_USER;
    return fail(boot->result, stop == VMM_STOP_LIMIT
                                  ? "Linux is not where it is on the bare machine after as many "
                                    "instructions."
                                  : vmm_stop_text(boot->vm));
}

static void look(const struct boot *boot, struct moment *moment)
{
    *moment = (struct moment){.rooms = boot->rooms};
    vmm_statistics(boot->vm, &moment->statistics);
    moment->all_exits = bench_exits(boot->vm, moment->exits);
}

/* ---- what a round consists of ---- */

/* The TLB's misses and the kinds of jumps, found by stepping through a sample of the round, each
 * stretch twice, once as long again: what missed while the TLB was filled is taken off. */
static bool sample(struct boot *boot, struct vmm_census *more)
{
    const uint64_t *begin = boot->bench->rounds;
    const uint64_t stride = (begin[COUNTED] - begin[TIMED]) / (WINDOWS + 1);
    struct vmm_error error;
    for (unsigned w = 0; w < WINDOWS; w++) {
        struct vmm_census once = {0}, twice = {0};
        struct vmm_snapshot *here = vmm_snapshot_take(boot->vm, &error);
        if (!here)
            return fail(boot->result, error.text);
        vmm_count(boot->vm, WINDOW, UINT32_MAX, &once);
        vmm_snapshot_restore(boot->vm, here, &error);
        vmm_count(boot->vm, 2 * WINDOW, UINT32_MAX, &twice);
        vmm_snapshot_free(here);
        more->instructions += twice.instructions - once.instructions;
        more->indirect += twice.indirect - once.indirect;
        more->tlb_misses += twice.tlb_misses - once.tlb_misses;
        more->control_writes +=
            twice.control_writes - once.control_writes + twice.space_switches - once.space_switches;
        vmm_run(boot->vm, stride - 2 * WINDOW);
    }
    return (more->instructions > 0 && boot->rounds == COUNTED + 1) ||
           fail(boot->result, "The round is too short to be sampled.");
}

static bool count_architecture(struct boot *boot, struct bench_counts *counts)
{
    struct vmm_census census = {0};
    struct moment a, b;
    look(boot, &a);
    if (!sample(boot, &census) || !run_to(boot, COUNTED + 1))
        return false;
    look(boot, &b);
    const double all = (double)(b.statistics.guest_instructions - a.statistics.guest_instructions);
    const double share = all / (double)census.instructions;
    *counts = (struct bench_counts){
        .indirect = (double)census.indirect * share,
        .tlb_misses = (double)census.tlb_misses * share,
        .control_writes = (double)census.control_writes * share,
        .exceptions = (double)(b.statistics.exceptions - a.statistics.exceptions),
        .system_calls =
            (double)(b.statistics.software_interrupts - a.statistics.software_interrupts),
        .interrupts = (double)(b.statistics.interrupts - a.statistics.interrupts),
        .ports = (double)(b.statistics.port_accesses - a.statistics.port_accesses),
        .instructions = all,
        .direct = all};
    counts->port_instructions = counts->ports; /* the drivers in use do not repeat */
    return true;
}

static bool count_technique(struct boot *boot, const struct bench_counts *bare)
{
    struct bench_counts *counts = &boot->result->counts;
    struct moment a, b;
    look(boot, &a);
    vmm_watch(boot->vm, on_record, &boot->rooms);
    if (!run_to(boot, COUNTED + 1))
        return false;
    look(boot, &b);
    *counts = *bare;
    counts->direct = (double)(b.statistics.direct - a.statistics.direct);
    counts->translated = (double)(b.statistics.translated - a.statistics.translated);
    counts->interpreted = (double)(b.statistics.interpreted - a.statistics.interpreted);
    counts->repeats = (double)(b.statistics.repeats - a.statistics.repeats);
    counts->emulated = (double)(b.statistics.emulated - a.statistics.emulated);
    for (unsigned i = 0; i < EXIT_KINDS; i++)
        counts->exits[i] = b.exits[i] - a.exits[i];
    counts->rooms = b.rooms - a.rooms;
    boot->result->all_exits = b.all_exits - a.all_exits;
    return true;
}

static bool time_round(struct boot *boot)
{
    struct moment a, b;
    look(boot, &a);
    if (!run_to(boot, TIMED + 1))
        return false;
    look(boot, &b);
    boot->result->host_ns = (double)(b.statistics.host_ns - a.statistics.host_ns);
    return true;
}

static bool measure(struct boot *boot, const struct bench_counts *bare)
{
    for (unsigned round = 0; round <= TIMED; round++)
        if (!run_to(boot, round))
            return false;
    return time_round(boot) && (boot->marks ? count_architecture(boot, &boot->result->counts)
                                            : count_technique(boot, bare));
}

/* ---- all ---- */

/* A kernel that is interpreted takes minutes to boot. */
static bool slow(const struct bench_subject *subject)
{
    return subject->kind == KIND_INTERPRETED || strcmp(subject->technique, "hybrid") == 0;
}

static bool read_files(const struct bench *bench, struct vmm_file *kernel, struct vmm_file *initrd)
{
    struct vmm_error error;
    return *bench->real && bench_read(bench->real, "vmlinuz", kernel, &error) == 0 &&
           bench_read(bench->real, "busybox.gz", initrd, &error) == 0;
}

void bench_linux(struct bench *bench, size_t s, size_t o)
{
    const struct bench_subject *subject = &bench->subject[s];
    const struct bench_result *bare = &bench->result[o][0];
    struct bench_result *result = &bench->result[o][s];
    struct vmm_file kernel = {0}, initrd = {0};
    struct boot boot = {.bench = bench, .result = result, .marks = s == 0};
    if (!read_files(bench, &kernel, &initrd)) {
        fail(result, "Linux is not there; 'make guests-real' fetches it.");
    } else if (s && !bare->good) {
        fail(result, "It did not come to its end on the bare machine.");
    } else if (slow(subject) && !subject->named) {
        fail(result,
             "Here Linux takes minutes to boot, so that it has to be asked for: -t TECHNIQUE.");
    } else if (start(&boot, subject, &kernel, &initrd,
                     bench_operations[o].counted * bench->scale)) {
        vmm_console_enter(boot.vm);
        result->good = measure(&boot, &bare->counts);
        vmm_console_leave();
    }
    vmm_destroy(boot.vm);
    vmm_file_free(&initrd);
    vmm_file_free(&kernel);
}
