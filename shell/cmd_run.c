/* `vmm run`: loads a guest into a virtual machine and runs it until it stops.
 *
 * Standard output is the guest's console and nothing else, so that a guest can stand in a pipeline;
 * the exit status tells how it ended. Whatever can be found wrong is found before the guest runs.
 */
#include "shell/command.h"
#include "shell/console.h"
#include "shell/guest.h"

#include <vmm/vmm.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the command line asks for. Strings are argv's. */
struct request {
    struct guest_options guest;
    const char *stats_file;
    bool digest, stats, help;
};

struct run {
    struct guest guest;
    FILE *stats;
};

static void print_help(void)
{
    printf(
        "Usage: vmm run [OPTION]... IMAGE\n"
        "Run a guest until it stops. Its console is standard output and input.\n"
        "\n"
        "%s"
        "  --digest                print a digest of the final state on standard error\n"
        "  --stats[=FILE]          print statistics as JSON on standard error, or into FILE\n"
        "  --help                  this text\n"
        "\n"
        "Exit status: the guest's (value v at port 0xF4: v * 2 + 1, modulo 256); 0 after a reset "
        "that\n"
        "it asked for or a halt for ever; 1 after any other end; 2 if the command line is "
        "wrong.\n"
        "\n",
        guest_help);
    guest_print_techniques();
}

/* ---- the command line ---- */

static const struct option options[] = {
    GUEST_LONG,
    {"digest", no_argument, NULL, 'd'},
    {"stats", optional_argument, NULL, 's'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int parse_option(struct request *request, int option)
{
    switch (option) {
    case 'd': request->digest = true; break;
    case 'h': request->help = true; break;
    case 's':
        request->stats = true;
        request->stats_file = optarg;
        break;
    default: return guest_option(&request->guest, option);
    }
    return VMM_SUCCESS;
}

static int parse(struct request *request, int argc, char **argv)
{
    int option;
    optind = 0; /* another command may have used getopt before */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":" GUEST_SHORT "h", options, NULL)) != -1) {
        if (option == '?' || option == ':')
            return guest_complain_of_option(&request->guest, option, argv);
        int status = parse_option(request, option);
        if (status != VMM_SUCCESS || request->help)
            return status;
    }
    if (argc - optind != 1)
        return guest_complain(
            &request->guest, VMM_USAGE, "%s; give one image: vmm run [OPTION]... IMAGE",
            argc == optind ? "there is no image" : "there is more than one image");
    request->guest.image = argv[optind];
    return VMM_SUCCESS;
}

/* ---- the run ---- */

static int prepare(struct run *run, const struct request *request)
{
    int status = guest_create(&run->guest, &request->guest);
    if (status != VMM_SUCCESS)
        return status;
    if (request->stats && !request->stats_file)
        run->stats = stderr;
    else if (request->stats && !(run->stats = fopen(request->stats_file, "w")))
        return guest_complain(&request->guest, VMM_FAILURE, "'%s' cannot be written: %s",
                              request->stats_file, strerror(errno));
    return VMM_SUCCESS;
}

static json_t *exits_json(const struct vmm_statistics *statistics)
{
    const struct {
        const char *cause;
        uint64_t count;
    } causes[] = {
        {"exception", statistics->exceptions},
        {"software-interrupt", statistics->software_interrupts},
        {"interrupt", statistics->interrupts},
        {"port", statistics->port_accesses},
        {"intercept", statistics->intercepts},
    };
    json_t *exits = json_array();
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (causes[i].count)
            json_array_append_new(exits, json_pack("{s:s, s:I}", "cause", causes[i].cause, "count",
                                                   (json_int_t)causes[i].count));
    return exits;
}

/* Returns whether all of it was written. */
static bool print_statistics(FILE *to, const struct vmm_statistics *statistics, uint64_t digest)
{
    char hexadecimal[24];
    snprintf(hexadecimal, sizeof hexadecimal, "0x%016" PRIx64, digest);
    json_t *json = json_pack(
        "{s:s, s:s, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:s}", "technique",
        statistics->technique, "stop", vmm_stop_name(statistics->stop), "exit_code",
        (json_int_t)statistics->exit_code, "status", statistics->status, "guest_instructions",
        (json_int_t)statistics->guest_instructions, "direct", (json_int_t)statistics->direct,
        "translated", (json_int_t)statistics->translated, "interpreted",
        (json_int_t)statistics->interpreted, "emulated", (json_int_t)statistics->emulated, "exits",
        exits_json(statistics), "host_ns", (json_int_t)statistics->host_ns, "digest", hexadecimal);
    bool written = json && json_dumpf(json, to, JSON_COMPACT) == 0;
    written = fputc('\n', to) != EOF && written;
    json_decref(json);
    return fflush(to) == 0 && written;
}

static int report(const struct run *run, const struct request *request)
{
    struct vmm_statistics statistics;
    vmm_statistics(run->guest.vm, &statistics);
    enum vmm_stop stop = statistics.stop;
    if (stop != VMM_STOP_EXIT && stop != VMM_STOP_RESET && stop != VMM_STOP_HALT)
        guest_complain(&request->guest, statistics.status, "%s", vmm_stop_text(run->guest.vm));
    uint64_t digest = request->digest || run->stats ? vmm_digest(run->guest.vm) : 0;
    if (request->digest)
        fprintf(stderr, "digest: 0x%016" PRIx64 "\n", digest);
    if (run->stats && !print_statistics(run->stats, &statistics, digest))
        return guest_complain(&request->guest, VMM_FAILURE,
                              "the statistics cannot be written; free some space");
    return statistics.status;
}

int vmm_cmd_run(int argc, char **argv)
{
    struct request request = {.guest = {.command = "run",
                                        .config = {.technique = guest_default_technique(),
                                                   .console = vmm_console_standard(),
                                                   .interactive = isatty(STDIN_FILENO)}}};
    int status = parse(&request, argc, argv);
    if (status != VMM_SUCCESS)
        return status;
    if (request.help) {
        print_help();
        return VMM_SUCCESS;
    }
    struct run run = {0};
    status = prepare(&run, &request);
    if (status == VMM_SUCCESS) {
        vmm_console_enter(run.guest.vm);
        vmm_run(run.guest.vm, request.guest.most_instructions);
        vmm_console_leave();
        status = report(&run, &request);
    }
    guest_destroy(&run.guest);
    if (run.stats && run.stats != stderr)
        fclose(run.stats);
    return status;
}
