/* `vmm bench`: what an event costs under each technique, as Adams and Agesen asked (ASPLOS 2006):
 * a kernel does one thing again and again, and what is counted and timed is divided by how often.
 * So with whole jobs, but that these are told in multiples of what the bare machine takes.
 * Beside what was counted stand the model cycles (bench_model.h) and what the paper has. */
#include "shell/cmd_bench.h"

#include "shell/bench.h"
#include "shell/command.h"
#include "shell/guest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    struct guest_options guest; /* for its sentences */
    const char *techniques, *chart, *page, *only;
    enum format format;
    bool timed, suite[SUITES];
    unsigned scale;
};

enum { MOST_SCALE = 1000 };

static void print_help(void)
{
    printf("Usage: vmm bench [--nano] [--macro] [-t TECHNIQUE,...] [OPTION]...\n"
           "Measure what single events of a processor, or whole jobs, cost under each technique.\n"
           "\n"
           "  --nano                  the nanobenchmarks of Adams and Agesen (the default)\n"
           "  --macro                 processes created, a compilation under Linux ('make\n"
           "                          guests-real' fetches it), input from a disk\n"
           "  --only NAME,...         these operations, of either kind\n"
           "  --scale N               macro: N times as much (1)\n"
           "  -t TECHNIQUE,...        which (all); bare is always one of them\n"
           "  --no-time               only what every run has the same: leave host times away\n"
           "  --format FORMAT         table (default), json or csv\n"
           "  --chart FILE            draw the model cycles, SVG or PNG (needs gnuplot)\n"
           "  --page FILE             write the page 'repeated research', Markdown\n"
           "  --help                  this text\n"
           "\n"
           "Instructions, exits and host nanoseconds are those of one operation. Model cycles are\n"
           "what it would take on a Pentium 4 of 2005 if every primitive cost there what was\n"
           "published; docs/research.md has the constants.\n"
           "\n"
           "Exit status: 0 if everything was measured, however it came out.\n"
           "\n");
    guest_print_techniques();
}

/* ---- the command line ---- */

static const struct option options[] = {
    {"nano", no_argument, NULL, 'n'},        {"macro", no_argument, NULL, 'm'},
    {"only", required_argument, NULL, 'o'},  {"scale", required_argument, NULL, 's'},
    {"no-time", no_argument, NULL, 'q'},     {"format", required_argument, NULL, 'f'},
    {"chart", required_argument, NULL, 'c'}, {"page", required_argument, NULL, 'p'},
    {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
};

static int parse_scale(struct request *request, const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || value < 1 || value > MOST_SCALE)
        return guest_complain(&request->guest, VMM_USAGE, "--scale %s is not a number from 1 to %d",
                              text, MOST_SCALE);
    request->scale = (unsigned)value;
    return VMM_SUCCESS;
}

static int parse_option(void *context, int option)
{
    struct request *request = context;
    switch (option) {
    case 't': request->techniques = optarg; break;
    case 'q': request->timed = false; break;
    case 'c': request->chart = optarg; break;
    case 'p': request->page = optarg; break;
    case 'n': request->suite[SUITE_NANO] = true; break;
    case 'm': request->suite[SUITE_MACRO] = true; break;
    case 'o': request->only = optarg; break;
    case 's': return parse_scale(request, optarg);
    case 'f': return guest_format(&request->guest, optarg, &request->format);
    default: return guest_option(&request->guest, option);
    }
    return VMM_SUCCESS;
}

static int parse(struct request *request, int argc, char **argv)
{
    static const struct guest_syntax syntax = {.shorts = ":t:h",
                                               .longs = options,
                                               .usage = "vmm bench [OPTION]...",
                                               .without_image = true,
                                               .option = parse_option};
    int status = guest_parse(&request->guest, &syntax, request, argc, argv);
    if (status == VMM_SUCCESS && request->guest.image)
        return guest_complain(&request->guest, VMM_USAGE,
                              "there is nothing to do with '%s': the guest is the bench's own",
                              request->guest.image);
    return status;
}

/* ---- what is measured ---- */

/* The subject of that name, which is new then; NULL if it is there already. */
static struct bench_subject *new_subject(struct bench *bench, const char *name)
{
    for (size_t s = 0; s < bench->subjects; s++)
        if (strcmp(bench->subject[s].name, name) == 0)
            return NULL;
    if (bench->subjects == BENCH_SUBJECTS)
        return NULL;
    struct bench_subject *subject = &bench->subject[bench->subjects++];
    snprintf(subject->name, sizeof subject->name, "%s", name);
    return subject;
}

static void fill_subject(struct bench_subject *subject, const char *technique, bool shadow,
                         bool named)
{
    if (!subject)
        return;
    subject->technique = technique;
    subject->named = named;
    subject->kind = bench_kind_of(technique);
    subject->column = bench_column_of(technique, shadow);
    subject->references = 2;
}

/* Hardware assistance comes with either kind of page tables: nested ones take (2 + 1) (2 + 1) - 1
 * references to walk (Bhargava et al., ASPLOS 2008), shadow ones are what the paper had. */
static void add(struct bench *bench, const char *technique, bool named)
{
    struct bench_subject *subject = new_subject(bench, technique);
    fill_subject(subject, technique, false, named);
    if (!subject || strcmp(technique, "hw") != 0)
        return;
    subject->references = 8;
    subject = new_subject(bench, "hw-shadow");
    fill_subject(subject, technique, true, named);
    if (subject)
        subject->mmu = VMM_MMU_SHADOW;
}

static int choose(struct bench *bench, const struct request *request)
{
    char list[256], *rest = NULL;
    const char *name;
    add(bench, "bare", true);
    for (size_t i = 0; !request->techniques && (name = vmm_technique(i)); i++)
        add(bench, name, false);
    snprintf(list, sizeof list, "%s", request->techniques ? request->techniques : "");
    for (char *word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        if (!(name = guest_technique(word)))
            return guest_complain(&request->guest, VMM_USAGE,
                                  "there is no technique '%s'; --help lists them", word);
        add(bench, name, true);
    }
    return VMM_SUCCESS;
}

/* Which operations: those named, or those of the suites. */
static int choose_operations(struct bench *bench, const struct request *request)
{
    char list[256], *rest = NULL;
    const bool *suite = request->suite;
    for (size_t o = 0; o < BENCH_OPERATIONS && !request->only; o++)
        bench->wanted[o] = suite[bench_operations[o].suite] ||
                           (!suite[SUITE_MACRO] && bench_operations[o].suite == SUITE_NANO);
    snprintf(list, sizeof list, "%s", request->only ? request->only : "");
    for (char *word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        size_t o = bench_operation_of(word);
        if (o == BENCH_OPERATIONS)
            return guest_complain(&request->guest, VMM_USAGE,
                                  "there is no operation '%s'; 'vmm bench --nano --macro -t bare' "
                                  "shows all",
                                  word);
        bench->wanted[o] = true;
    }
    return VMM_SUCCESS;
}

/* The folder of those, beside the program, that has `file`; "" if none has. */
static bool find_folder(char folder[BENCH_PATH], const char *const *places, const char *file)
{
    char program[BENCH_PATH / 2], path[BENCH_PATH + 16];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    *folder = '\0';
    if (length <= 0)
        return false;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    for (; *places; places++) {
        snprintf(folder, BENCH_PATH, "%s/%s", program, *places);
        snprintf(path, sizeof path, "%s/%s", folder, file);
        if (access(path, R_OK) == 0)
            return true;
    }
    *folder = '\0';
    return false;
}

static int measure(struct bench *bench, const struct request *request)
{
    /* as they are installed, as they are built, and as for a variant */
    static const char *const guests[] = {"../share/vmm/guests", "guests", "../guests", NULL},
                             *const real[] = {"real", "../real", NULL};
    struct vmm_error error;
    find_folder(bench->real, real, "vmlinuz");
    if (!find_folder(bench->guests, guests, "nano.elf"))
        return guest_complain(&request->guest, VMM_FAILURE,
                              "the guest nano.elf is not beside the program; 'make guests' builds "
                              "it and 'make install' installs it");
    int status = choose(bench, request);
    if (status == VMM_SUCCESS)
        status = choose_operations(bench, request);
    if (status != VMM_SUCCESS)
        return status;
    bench->timed = request->timed;
    bench->scale = request->scale;
    if (bench_measure(bench, &error) != 0 ||
        (request->page && bench_page(bench, request->page, &error) != 0) ||
        (request->chart && bench_chart(bench, request->chart, &error) != 0))
        return guest_complain_of(&request->guest, &error);
    if (!bench_print(bench, request->format) || fflush(stdout) != 0)
        return guest_complain(&request->guest, VMM_FAILURE,
                              "the results cannot be written to standard output; free some space "
                              "or send them elsewhere");
    return VMM_SUCCESS;
}

int vmm_cmd_bench(int argc, char **argv)
{
    struct request request = {
        .guest.command = "bench", .format = FORMAT_TABLE, .timed = true, .scale = 1};
    int status = parse(&request, argc, argv);
    if (status != VMM_SUCCESS)
        return status;
    if (request.guest.help) {
        print_help();
        return VMM_SUCCESS;
    }
    struct bench *bench = calloc(1, sizeof *bench);
    if (!bench)
        return guest_complain(&request.guest, VMM_FAILURE, "there is no memory left");
    status = measure(bench, &request);
    free(bench);
    return status;
}
