/* `vmm run`: loads a guest into a virtual machine and runs it until it stops.
 *
 * Standard output is the guest's console and nothing else, so that a guest can stand in a pipeline;
 * the exit status tells how it ended. Whatever can be found wrong is found before the guest runs.
 * What is asked for beside (digests, statistics, a trace, a core) never changes how it runs.
 */
#include "shell/command.h"
#include "shell/console.h"
#include "shell/guest.h"
#include "shell/output.h"
#include "shell/progress.h"
#include "shell/statistics.h"

#include <vmm/vmm.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEEP_GOING_LIMIT = 100000000 }; /* instructions */

/* What the command line asks for. Strings are argv's. */
struct request {
    struct guest_options guest;
    const char *stats_file, *trace_file, *core_file;
    enum format format;
    uint64_t digest_every; /* instructions; 0: only at the end */
    bool digest, stats;
};

struct run {
    struct guest guest;
    struct vmm_trace *trace;
    struct output stats, trace_output, core;
};

static void print_help(void)
{
    printf(
        "Usage: vmm run [OPTION]... IMAGE\n"
        "Run a guest until it stops. Its console is standard output and input.\n"
        "\n"
        "%s"
        "  --vm IMAGE              another virtual machine beside it, in turns; may be repeated\n"
        "  --digest[=every:N]      print a digest of the final state on standard error; every N\n"
        "                          instructions, too\n"
        "  --stats[=FILE]          print statistics on standard error, or into FILE\n"
        "  --format FORMAT         of the statistics: json (default), table or csv\n"
        "  --trace FILE            write every trap into FILE: Chrome trace events if its name\n"
        "                          ends with .json (Perfetto opens them), .jsonl JSON lines,\n"
        "                          anything else text\n"
        "  --core FILE             write registers and memory at the end as an ELF core for gdb\n"
        "  --help                  this text\n"
        "\n"
        "Exit status: the guest's (value v at port 0xF4: v * 2 + 1, modulo 256); 0 after a reset "
        "that\n"
        "it asked for or a halt for ever; 1 after any other end, with a report on standard error; "
        "2 "
        "if\n"
        "the command line is wrong.\n"
        "\n",
        guest_help);
    guest_print_techniques();
}

/* ---- the command line ---- */

static const struct option options[] = {
    GUEST_LONG,
    {"digest", optional_argument, NULL, 'd'},
    {"stats", optional_argument, NULL, 's'},
    {"format", required_argument, NULL, 'f'},
    {"trace", required_argument, NULL, 'r'},
    {"core", required_argument, NULL, 'c'},
    {NULL, 0, NULL, 0},
};

static int parse_digest(struct request *request, const char *text)
{
    static const char every[] = "every:";
    char *rest = NULL;
    request->digest = true;
    if (!text)
        return VMM_SUCCESS;
    const char *number = text + strlen(every);
    errno = 0;
    bool valid = strncmp(text, every, strlen(every)) == 0 && *number >= '0' && *number <= '9';
    if (valid)
        request->digest_every = strtoull(number, &rest, 10);
    if (!valid || *rest || errno || request->digest_every == 0)
        return guest_complain(&request->guest, VMM_USAGE,
                              "'%s' is no choice of digests; give every:N, N instructions from 1",
                              text);
    return VMM_SUCCESS;
}

static int parse_option(void *context, int option)
{
    struct request *request = context;
    switch (option) {
    case 'd': return parse_digest(request, optarg);
    case 'r': request->trace_file = optarg; break;
    case 'c': request->core_file = optarg; break;
    case 's':
        request->stats = true;
        request->stats_file = optarg;
        break;
    case 'f': return guest_format(&request->guest, optarg, &request->format);
    default: return guest_option(&request->guest, option);
    }
    return VMM_SUCCESS;
}

/* What each option allows, and together they do not; what one means for another. */
static int settle(struct request *request)
{
    struct guest_options *guest = &request->guest;
    if (guest->config.clock == VMM_CLOCK_HOST && guest->most_instructions)
        return guest_complain(guest, VMM_USAGE,
                              "--clock host counts no instructions; leave it or "
                              "--max-instructions away");
    if (guest->config.clock == VMM_CLOCK_HOST && request->digest_every)
        return guest_complain(guest, VMM_USAGE,
                              "--clock host counts no instructions; leave it or every:N away");
    if (guest->beside_count && request->digest_every)
        return guest_complain(guest, VMM_USAGE,
                              "--digest=every:N is of one virtual machine; leave it or --vm away");
    /* A guest that has gone astray may never end. */
    if (guest->config.keep_going && !guest->most_instructions &&
        guest->config.clock != VMM_CLOCK_HOST)
        guest->most_instructions = KEEP_GOING_LIMIT;
    return VMM_SUCCESS;
}

static int parse(struct request *request, int argc, char **argv)
{
    static const struct guest_syntax syntax = {.shorts = ":" GUEST_SHORT,
                                               .longs = options,
                                               .usage = "vmm run [OPTION]... IMAGE",
                                               .option = parse_option};
    int status = guest_parse(&request->guest, &syntax, request, argc, argv);
    return status == VMM_SUCCESS && !request->guest.help ? settle(request) : status;
}

/* ---- before the run ---- */

static int open_output(const struct request *request, struct output *output, const char *path)
{
    if (!path || output_open(output, path))
        return VMM_SUCCESS;
    return guest_complain(&request->guest, VMM_FAILURE,
                          "'%s' cannot be written: %s; name another file", path,
                          strerror(output->error));
}

static int prepare(struct run *run, const struct request *request)
{
    int status = guest_create(&run->guest, &request->guest);
    if (status == VMM_SUCCESS)
        status = open_output(request, &run->stats, request->stats_file);
    if (status == VMM_SUCCESS)
        status = open_output(request, &run->core, request->core_file);
    if (status == VMM_SUCCESS)
        status = open_output(request, &run->trace_output, request->trace_file);
    if (status != VMM_SUCCESS || !request->trace_file)
        return status;
    run->trace =
        vmm_trace_begin(vmm_trace_format_of(request->trace_file), output_write, &run->trace_output);
    bool watched = run->trace && vmm_trace_watch(run->trace, run->guest.vm);
    for (size_t i = 0; i < request->guest.beside_count && watched; i++)
        watched = vmm_trace_watch(run->trace, run->guest.beside[i]);
    if (!watched)
        return guest_complain(&request->guest, VMM_FAILURE, "there is no memory for a trace");
    return VMM_SUCCESS;
}

/* ---- the run ---- */

static uint64_t instructions(const struct vmm_vm *vm)
{
    struct vmm_statistics statistics;
    vmm_statistics(vm, &statistics);
    return statistics.guest_instructions;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Instructions until somebody wants to look; 0: never. */
static uint64_t next_slice(const struct request *request, const struct progress *progress,
                           uint64_t done)
{
    uint64_t every = request->digest_every, limit = request->guest.most_instructions;
    uint64_t slice = progress->shown ? progress->slice : UINT64_MAX;
    if (request->guest.config.clock == VMM_CLOCK_HOST)
        return 0;
    if (every)
        slice = least(slice, every - done % every);
    if (limit)
        slice = least(slice, limit - done);
    return slice == UINT64_MAX ? 0 : slice;
}

/* The guest does not notice that it is run in slices. */
static void run_guest(struct vmm_vm *vm, const struct request *request)
{
    struct progress progress;
    uint64_t done = 0, limit = request->guest.most_instructions, slice;
    progress_begin(&progress);
    do {
        slice = next_slice(request, &progress, done);
        if (vmm_run(vm, slice) != VMM_STOP_LIMIT)
            break;
        done = instructions(vm);
        if (progress.shown)
            progress_show(&progress, vm);
        if (request->digest_every && done % request->digest_every == 0) {
            progress_end(&progress);
            fprintf(stderr, "digest %" PRIu64 " 0x%016" PRIx64 "\n", done, vmm_digest(vm));
        }
    } while (slice && (!limit || done < limit));
    progress_end(&progress);
}

static void run_together(struct guest *guest, const struct request *request)
{
    struct vmm_vm *all[GUEST_VMS + 1] = {guest->vm};
    size_t count = request->guest.beside_count;
    memcpy(all + 1, guest->beside, count * sizeof *all);
    vmm_run_together(all, count + 1, 0, request->guest.most_instructions);
    for (size_t i = 0; i <= count; i++)
        vmm_console_finish(&guest->labels[i]);
}

/* ---- after the run ---- */

/* Ended as nobody wanted: worth a report. An interrupt from the keyboard is wanted. */
static bool abnormal(enum vmm_stop stop)
{
    return stop == VMM_STOP_SHUTDOWN || stop == VMM_STOP_LIMIT || stop == VMM_STOP_DIVERGENCE ||
           stop == VMM_STOP_STUCK || stop == VMM_STOP_FAILURE;
}

static void list_silent(const struct vmm_vm *vm)
{
    struct vmm_silent silent;
    struct vmm_statistics statistics;
    uint64_t listed = 0;
    vmm_statistics(vm, &statistics);
    for (size_t i = 0; vmm_silent(vm, i, &silent); i++) {
        char symbol[128];
        vmm_symbol_text(vm, silent.linear, symbol, sizeof symbol);
        fprintf(stderr,
                "%s: %s at 0x%08" PRIx32 "%s%.100s in ring %u did not trap, %" PRIu64 " time%s\n",
                statistics.technique, silent.mnemonic, silent.linear, *symbol ? " " : "", symbol,
                silent.ring, silent.count, silent.count == 1 ? "" : "s");
        listed += silent.count;
    }
    if (vmm_silent_total(vm) > listed)
        fprintf(stderr, "%s: and at other places, %" PRIu64 " times\n", statistics.technique,
                vmm_silent_total(vm) - listed);
}

static void explain_stop(const struct vmm_vm *vm, const struct request *request,
                         const struct vmm_statistics *statistics)
{
    struct output errors = {.file = stderr, .path = "standard error"};
    if (request->guest.config.keep_going)
        list_silent(vm);
    /* What the VMM itself has to say has its own name in front. */
    if (statistics->stop == VMM_STOP_DIVERGENCE)
        fprintf(stderr, "%s\n", vmm_stop_text(vm));
    else if (abnormal(statistics->stop) || statistics->stop == VMM_STOP_USER)
        guest_complain(&request->guest, statistics->status, "%s", vmm_stop_text(vm));
    if (abnormal(statistics->stop))
        vmm_postmortem(vm, output_write, &errors);
}

static int close_output(const struct request *request, struct output *output, const char *what)
{
    if (output_close(output))
        return VMM_SUCCESS;
    return guest_complain(
        &request->guest, VMM_FAILURE,
        "the %s cannot be written to '%s': %s; free some space or name another file", what,
        output->path, strerror(output->error));
}

static int write_core(struct run *run, const struct request *request)
{
    if (!run->core.file)
        return VMM_SUCCESS;
    if (vmm_core(run->guest.vm, output_write, &run->core) == VMM_E_MEMORY)
        return guest_complain(&request->guest, VMM_FAILURE,
                              "there is no memory to write the core; close other programs");
    return close_output(request, &run->core, "core");
}

static int write_statistics(struct run *run, const struct request *request)
{
    const struct vmm_vm *all[GUEST_VMS + 1] = {run->guest.vm};
    size_t beside = request->guest.beside_count;
    FILE *to = run->stats.file ? run->stats.file : stderr;
    for (size_t i = 0; i < beside; i++)
        all[1 + i] = run->guest.beside[i];
    if (request->stats && !statistics_print(to, all, 1 + beside, request->format) &&
        !run->stats.error)
        run->stats.error = errno ? errno : EIO;
    return close_output(request, &run->stats, "statistics");
}

static int check_console(const struct request *request)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return VMM_SUCCESS;
    return guest_complain(&request->guest, VMM_FAILURE,
                          "the guest's console cannot be written to standard output; free some "
                          "space or send it elsewhere");
}

/* Says how it ended, and finishes every file. Returns the exit status: that of a file that could
 * not be written, if the guest has none of its own to tell. */
static int report(struct run *run, const struct request *request)
{
    struct vmm_statistics statistics;
    vmm_statistics(run->guest.vm, &statistics);
    explain_stop(run->guest.vm, request, &statistics);
    if (request->digest)
        fprintf(stderr, "digest: 0x%016" PRIx64 "\nmasked: %u bits\n", vmm_digest(run->guest.vm),
                vmm_digest_masked(run->guest.vm));
    vmm_trace_end(run->trace);
    run->trace = NULL;
    bool failed = check_console(request) != VMM_SUCCESS;
    failed |= close_output(request, &run->trace_output, "trace") != VMM_SUCCESS;
    failed |= write_core(run, request) != VMM_SUCCESS;
    failed |= write_statistics(run, request) != VMM_SUCCESS;
    return failed ? VMM_FAILURE : statistics.status;
}

/* The same of another virtual machine, without files of its own. Returns `status`, or failure if
 * this one ended badly. */
static int report_beside(const struct vmm_vm *vm, size_t number, const struct request *request,
                         int status)
{
    struct output errors = {.file = stderr, .path = "standard error"};
    struct vmm_statistics statistics;
    vmm_statistics(vm, &statistics);
    if (request->digest)
        fprintf(stderr, "[%zu] digest: 0x%016" PRIx64 "\n", number, vmm_digest(vm));
    if (!abnormal(statistics.stop))
        return status;
    fprintf(stderr, "[%zu] %s\n", number, vmm_stop_text(vm));
    vmm_postmortem(vm, output_write, &errors);
    return VMM_FAILURE;
}

static void release(struct run *run)
{
    vmm_trace_end(run->trace);
    output_close(&run->stats);
    output_close(&run->trace_output);
    output_close(&run->core);
    guest_destroy(&run->guest);
}

int vmm_cmd_run(int argc, char **argv)
{
    struct request request = {.guest = {.command = "run",
                                        .config = {.technique = guest_default_technique(),
                                                   .console = vmm_console_standard(),
                                                   .interactive = isatty(STDIN_FILENO)}},
                              .format = FORMAT_JSON};
    int status = parse(&request, argc, argv);
    if (status != VMM_SUCCESS)
        return status;
    if (request.guest.help) {
        print_help();
        return VMM_SUCCESS;
    }
    struct run run = {0};
    status = prepare(&run, &request);
    if (status == VMM_SUCCESS) {
        vmm_console_enter(run.guest.vm);
        if (request.guest.beside_count)
            run_together(&run.guest, &request);
        else
            run_guest(run.guest.vm, &request);
        vmm_console_leave();
        status = report(&run, &request);
        for (size_t i = 0; i < request.guest.beside_count; i++)
            status = report_beside(run.guest.beside[i], i + 1, &request, status);
    }
    release(&run);
    return status;
}
