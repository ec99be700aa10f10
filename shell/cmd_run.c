/* `vmm run`: loads a guest into a virtual machine and runs it until it stops.
 *
 * Standard output is the guest's console and nothing else, so that a guest can stand in a pipeline;
 * the exit status tells how it ended. Whatever can be found wrong is found before the guest runs.
 */
#include "shell/command.h"
#include "shell/console.h"
#include "shell/file.h"

#include <vmm/vmm.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_MODULES = 64 };

/* What the command line asks for. Strings are argv's. */
struct request {
    struct vmm_config config;
    const char *load, *append, *initrd, *image, *stats_file;
    char *modules[MOST_MODULES];
    size_t module_count;
    uint64_t most_instructions;
    bool digest, stats, help;
};

/* What a run holds on to: files must outlive the VM. */
struct run {
    struct vmm_vm *vm;
    struct vmm_file image, initrd;
    struct vmm_module modules[MOST_MODULES];
    FILE *stats;
};

static const char help_text[] =
    "Usage: vmm run [OPTION]... IMAGE\n"
    "Run a guest until it stops. Its console is standard output and input.\n"
    "\n"
    "  -t TECHNIQUE            how the guest's supervisor code is executed\n"
    "  -m SIZE                 memory, 1M to 1G (64M); suffixes K, M, G\n"
    "  --load KIND             auto (default), multiboot, linux, flat@ADDRESS or boot\n"
    "  --initrd FILE           a Linux guest's initial file system\n"
    "  --append TEXT           the kernel's command line\n"
    "  --module FILE[=TEXT]    a Multiboot module and its string; may be repeated\n"
    "  --clock virtual|host    time by instructions (default), or the host's\n"
    "  --max-instructions N    stop after N instructions\n"
    "  --digest                print a digest of the final state on standard error\n"
    "  --stats[=FILE]          print statistics as JSON on standard error, or into FILE\n"
    "  --help                  this text\n"
    "\n"
    "Exit status: the guest's (value v at port 0xF4: v * 2 + 1, modulo 256); 0 after a reset that\n"
    "it asked for or a halt for ever; 1 after any other end; 2 if the command line is wrong.\n"
    "\n"
    "Techniques:";

static __attribute__((format(printf, 2, 3))) int complain(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("vmm run: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return status;
}

static int complain_of(const struct vmm_error *error)
{
    return complain(error->code == VMM_E_USAGE ? VMM_USAGE : VMM_FAILURE, "%s", error->text);
}

/* Trap-and-emulate where it exists: most of the course is about it. */
static const char *default_technique(void)
{
    const char *name;
    for (size_t i = 0; (name = vmm_technique(i)); i++)
        if (strcmp(name, "trap") == 0)
            return name;
    return vmm_technique(0);
}

static void print_help(void)
{
    const char *name;
    fputs(help_text, stdout);
    for (size_t i = 0; (name = vmm_technique(i)); i++)
        printf(" %s%s", name, strcmp(name, default_technique()) == 0 ? " (default)" : "");
    putchar('\n');
}

/* ---- the command line ---- */

/* Decimal digits and nothing before them; `*rest` is what follows. False if it does not fit. */
static bool parse_digits(const char *text, uint64_t *number, char **rest)
{
    errno = 0;
    *number = strtoull(text, rest, 10);
    return *text >= '0' && *text <= '9' && errno == 0;
}

static int parse_size(const char *text, uint32_t *size)
{
    static const char suffixes[] = "KMG";
    uint64_t number = 0;
    char *rest = NULL;
    bool valid = parse_digits(text, &number, &rest);
    if (valid && *rest) {
        char upper = (char)(*rest & ~0x20); /* k and K alike */
        const char *suffix = strchr(suffixes, upper);
        valid = suffix && *suffix && rest[1] == '\0' && number <= UINT32_MAX;
        if (valid)
            number <<= 10 * (suffix - suffixes + 1);
    }
    if (!valid || number < 1 << 20 || number > 1 << 30)
        return complain(VMM_USAGE, "'%s' is no memory size; give 1M to 1G, such as 64M", text);
    *size = (uint32_t)number;
    return VMM_SUCCESS;
}

static int parse_limit(const char *text, uint64_t *limit)
{
    char *rest;
    if (!parse_digits(text, limit, &rest) || *rest || *limit == 0)
        return complain(VMM_USAGE, "'%s' is no number of instructions; give one from 1", text);
    return VMM_SUCCESS;
}

static int parse_clock(const char *text, enum vmm_clock *clock)
{
    if (strcmp(text, "virtual") != 0 && strcmp(text, "host") != 0)
        return complain(VMM_USAGE, "there is no clock '%s'; use virtual or host", text);
    *clock = *text == 'h' ? VMM_CLOCK_HOST : VMM_CLOCK_VIRTUAL;
    return VMM_SUCCESS;
}

static int add_module(struct request *request, char *text)
{
    if (request->module_count == MOST_MODULES)
        return complain(VMM_USAGE, "there are more than %d modules; leave some away", MOST_MODULES);
    request->modules[request->module_count++] = text;
    return VMM_SUCCESS;
}

static int complain_of_option(int option, char **argv)
{
    char shorter[] = {'-', (char)optopt, '\0'};
    const char *word = argv[optind - 1];
    const char *name = strncmp(word, "--", 2) == 0 || !optopt ? word : shorter;
    if (option == ':')
        return complain(VMM_USAGE, "'%s' needs a value; --help shows which", name);
    return complain(VMM_USAGE, "'%s' is no option of run; --help lists them", name);
}

static const struct option options[] = {
    {"load", required_argument, NULL, 'l'},   {"initrd", required_argument, NULL, 'i'},
    {"append", required_argument, NULL, 'a'}, {"module", required_argument, NULL, 'M'},
    {"clock", required_argument, NULL, 'c'},  {"max-instructions", required_argument, NULL, 'n'},
    {"digest", no_argument, NULL, 'd'},       {"stats", optional_argument, NULL, 's'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

static int parse_option(struct request *request, int option)
{
    switch (option) {
    case 't': request->config.technique = optarg; break;
    case 'm': return parse_size(optarg, &request->config.memory_size);
    case 'l': request->load = optarg; break;
    case 'i': request->initrd = optarg; break;
    case 'a': request->append = optarg; break;
    case 'M': return add_module(request, optarg);
    case 'c': return parse_clock(optarg, &request->config.clock);
    case 'n': return parse_limit(optarg, &request->most_instructions);
    case 'd': request->digest = true; break;
    case 'h': request->help = true; break;
    case 's':
        request->stats = true;
        request->stats_file = optarg;
        break;
    }
    return VMM_SUCCESS;
}

static int parse(struct request *request, int argc, char **argv)
{
    int option;
    optind = 0; /* another command may have used getopt before */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":t:m:h", options, NULL)) != -1) {
        if (option == '?' || option == ':')
            return complain_of_option(option, argv);
        int status = parse_option(request, option);
        if (status != VMM_SUCCESS || request->help)
            return status;
    }
    if (argc - optind != 1)
        return complain(VMM_USAGE, "%s; give one image: vmm run [OPTION]... IMAGE",
                        argc == optind ? "there is no image" : "there is more than one image");
    request->image = argv[optind];
    return VMM_SUCCESS;
}

/* ---- the run ---- */

/* "FILE=TEXT" is split in place, at the first sign. */
static bool read_module(char *text, struct vmm_module *module, struct vmm_error *error)
{
    char *sign = strchr(text, '=');
    if (sign) {
        *sign = '\0';
        module->cmdline = sign + 1;
    }
    return vmm_file_read(text, &module->file, error);
}

static bool read_files(struct run *run, const struct request *request, struct vmm_error *error)
{
    if (!vmm_file_read(request->image, &run->image, error))
        return false;
    if (request->initrd && !vmm_file_read(request->initrd, &run->initrd, error))
        return false;
    for (size_t i = 0; i < request->module_count; i++)
        if (!read_module(request->modules[i], &run->modules[i], error))
            return false;
    return true;
}

static int prepare(struct run *run, const struct request *request)
{
    struct vmm_error error = {0};
    if (!read_files(run, request, &error))
        return complain_of(&error);
    run->vm = vmm_create(&request->config, &error);
    if (!run->vm)
        return complain_of(&error);
    struct vmm_image image = {
        .kind = request->load,
        .file = run->image,
        .initrd = request->initrd ? &run->initrd : NULL,
        .cmdline = request->append,
        .modules = run->modules,
        .module_count = request->module_count,
    };
    if (vmm_load(run->vm, &image, &error) != VMM_OK)
        return complain_of(&error);
    if (request->stats && !request->stats_file)
        run->stats = stderr;
    else if (request->stats && !(run->stats = fopen(request->stats_file, "w")))
        return complain(VMM_FAILURE, "'%s' cannot be written: %s", request->stats_file,
                        strerror(errno));
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
    vmm_statistics(run->vm, &statistics);
    enum vmm_stop stop = statistics.stop;
    if (stop != VMM_STOP_EXIT && stop != VMM_STOP_RESET && stop != VMM_STOP_HALT)
        complain(statistics.status, "%s", vmm_stop_text(run->vm));
    uint64_t digest = request->digest || run->stats ? vmm_digest(run->vm) : 0;
    if (request->digest)
        fprintf(stderr, "digest: 0x%016" PRIx64 "\n", digest);
    if (run->stats && !print_statistics(run->stats, &statistics, digest))
        return complain(VMM_FAILURE, "the statistics cannot be written; free some space");
    return statistics.status;
}

static void release(struct run *run)
{
    vmm_destroy(run->vm);
    vmm_file_free(&run->image);
    vmm_file_free(&run->initrd);
    for (size_t i = 0; i < MOST_MODULES; i++)
        vmm_file_free(&run->modules[i].file);
    if (run->stats && run->stats != stderr)
        fclose(run->stats);
}

int vmm_cmd_run(int argc, char **argv)
{
    struct request request = {.config = {.technique = default_technique(),
                                         .console = vmm_console_standard(),
                                         .interactive = isatty(STDIN_FILENO)}};
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
        vmm_console_enter(run.vm);
        vmm_run(run.vm, request.most_instructions);
        vmm_console_leave();
        status = report(&run, &request);
    }
    release(&run);
    return status;
}
