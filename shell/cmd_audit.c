/* `vmm audit`: Popek and Goldberg's three properties of a technique, measured on one guest. The
 * report is standard output; the guest's console is compared, not shown. Exit status 1 says that a
 * property does not hold. */
#include "shell/command.h"
#include "shell/file.h"
#include "shell/format.h"
#include "shell/guest.h"
#include "shell/module_file.h"

#include <vmm/vmm.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_LIMIT = 100000000 }; /* instructions: a guest may never end */

struct request {
    struct guest_options guest;
    const char *input, *modules;
    struct module_file file;
    uint64_t every;
    bool exits;
    enum format format;
};

static void print_help(void)
{
    printf(
        "Usage: vmm audit [OPTION]... IMAGE\n"
        "Run a guest bare and under a technique in lockstep, and measure Popek and Goldberg's\n"
        "three properties: equivalence, resource control, efficiency. Where the two part, the\n"
        "first instruction after which they differ is found and explained.\n"
        "\n"
        "  --every N               compare the states every N instructions (100000)\n"
        "  --exits                 compare and check at every trap, too\n"
        "  --input FILE            what both guests can read from their consoles\n"
        "  --modules FILE          with the VMM's modules that a shared object has (docs/labs.md)\n"
        "  --format FORMAT         table (default), json or csv\n"
        "%s"
        "  --help                  this text\n"
        "\n"
        "--keep-going is always on. Ends after 100 million instructions unless told.\n"
        "Exit status: 0 if the properties hold, 1 if one does not or the audit failed, 2 if\n"
        "the command line is wrong.\n"
        "\n",
        guest_help);
    guest_print_techniques();
}

/* ---- the command line ---- */

static const struct option options[] = {
    GUEST_LONG,
    {"every", required_argument, NULL, 'e'},
    {"exits", no_argument, NULL, 'x'},
    {"input", required_argument, NULL, 'i'},
    {"modules", required_argument, NULL, 'o'},
    {"format", required_argument, NULL, 'f'},
    {NULL, 0, NULL, 0},
};

static int parse_option(void *context, int option)
{
    struct request *request = context;
    switch (option) {
    case 'e': return guest_instructions(&request->guest, optarg, &request->every);
    case 'i': request->input = optarg; break;
    case 'o': request->modules = optarg; break;
    case 'x': request->exits = true; break;
    case 'f': return guest_format(&request->guest, optarg, &request->format);
    default: return guest_option(&request->guest, option);
    }
    return VMM_SUCCESS;
}

static int parse(struct request *request, int argc, char **argv)
{
    static const struct guest_syntax syntax = {.shorts = ":" GUEST_SHORT,
                                               .longs = options,
                                               .usage = "vmm audit [OPTION]... IMAGE",
                                               .option = parse_option};
    int status = guest_parse(&request->guest, &syntax, request, argc, argv);
    if (status == VMM_SUCCESS && !request->guest.help && request->guest.beside_count)
        return guest_complain(&request->guest, VMM_USAGE,
                              "an audit is of one virtual machine; leave --vm away");
    return status;
}

/* ---- JSON ---- */

static json_t *state_json(const struct vmm_audit_divergence *d, bool bare)
{
    json_t *state = json_object();
    for (size_t i = 0; i < d->difference_count && i < VMM_AUDIT_DIFFERENCES; i++) {
        const struct vmm_audit_difference *part = &d->differences[i];
        json_object_set_new(state, part->name, json_string(bare ? part->bare : part->vm));
    }
    return state;
}

static json_t *hexadecimal(uint32_t value)
{
    char text[16];
    snprintf(text, sizeof text, "0x%08" PRIx32, value);
    return json_string(text);
}

static json_t *divergence_json(const struct vmm_audit_divergence *d)
{
    return json_pack("{s:I, s:o, s:o, s:s, s:i, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:I, s:{s:o, "
                     "s:o}}",
                     "instruction", (json_int_t)d->instruction, "eip", hexadecimal(d->eip),
                     "linear", hexadecimal(d->linear), "symbol", d->symbol, "ring", (int)d->ring,
                     "text", d->text, "class", d->class_name, "property", d->property, "silent",
                     (int)d->silent, "bare_event", d->bare_event, "vm_event", d->vm_event,
                     "explanation", d->explanation, "differences", (json_int_t)d->difference_count,
                     "state", "bare", state_json(d, true), "vm", state_json(d, false));
}

static json_t *violations_json(const struct vmm_audit *audit)
{
    json_t *array = json_array();
    for (size_t i = 0; i < audit->violation_count && i < VMM_AUDIT_VIOLATIONS; i++)
        json_array_append_new(array, json_pack("{s:I, s:s}", "instruction",
                                               (json_int_t)audit->violations[i].instruction, "text",
                                               audit->violations[i].text));
    return array;
}

static bool print_json(const struct vmm_audit *audit)
{
    json_t *json = json_pack(
        "{s:s, s:b, s:o, s:{s:I, s:I, s:o}, s:{s:f}, s:I, s:I, s:s, s:I, s:I}", "technique",
        audit->technique, "equivalent", (int)audit->equivalent, "divergence",
        audit->equivalent ? json_null() : divergence_json(&audit->divergence), "resource_control",
        "entries", (json_int_t)audit->entries, "violation_count",
        (json_int_t)audit->violation_count, "violations", violations_json(audit), "efficiency",
        "direct", audit->direct, "instructions", (json_int_t)audit->instructions, "comparisons",
        (json_int_t)audit->comparisons, "stop", vmm_stop_name(audit->stop), "rerun",
        (json_int_t)audit->rerun, "snapshot", (json_int_t)audit->snapshot);
    bool written = json && json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
    putchar('\n');
    json_decref(json);
    return written;
}

/* ---- CSV and table ---- */

/* The class has a comma. */
static bool print_csv(const struct vmm_audit *audit)
{
    const struct vmm_audit_divergence *d = &audit->divergence;
    puts("technique,equivalent,instruction,eip,text,class,violations,direct,instructions");
    printf("%s,%d,", audit->technique, audit->equivalent);
    if (audit->equivalent)
        printf(",,,");
    else
        printf("%" PRIu64 ",0x%08" PRIx32 ",\"%s\",\"%s\"", d->instruction, d->eip, d->text,
               d->class_name);
    printf(",%zu,%.6f,%" PRIu64 "\n", audit->violation_count, audit->direct, audit->instructions);
    return true;
}

static void print_divergence(const struct vmm_audit_divergence *d)
{
    printf("\nInstruction %" PRIu64 " at 0x%08" PRIx32 "%s%s%s in ring %u: %s\n", d->instruction,
           d->linear, *d->symbol ? " <" : "", d->symbol, *d->symbol ? ">" : "", d->ring, d->text);
    printf("Class        %s\n", d->class_name);
    printf("Trap         bare: %s; under the technique: %s\n",
           *d->bare_event ? d->bare_event : "none", *d->vm_event ? d->vm_event : "none");
    printf("Why          %s\n\n", d->explanation);
    printf("%-20s  %-34s  %s\n", "part", "bare", "under the technique");
    for (size_t i = 0; i < d->difference_count && i < VMM_AUDIT_DIFFERENCES; i++)
        printf("%-20s  %-34s  %s\n", d->differences[i].name, d->differences[i].bare,
               d->differences[i].vm);
    if (d->difference_count > VMM_AUDIT_DIFFERENCES)
        printf("and %zu more\n", d->difference_count - VMM_AUDIT_DIFFERENCES);
}

static void print_search(const struct vmm_audit *audit)
{
    printf("Search            %" PRIu64 " instructions run again, ", audit->rerun);
    if (audit->snapshot)
        printf("from the snapshot at %" PRIu64 "\n", audit->snapshot);
    else
        printf("from the start: there is no snapshot\n");
}

static bool print_table(const struct vmm_audit *audit)
{
    printf("%s: %s after %" PRIu64 " instructions, %" PRIu64 " comparisons with bare\n",
           audit->technique, vmm_stop_name(audit->stop), audit->instructions, audit->comparisons);
    printf("Equivalence       %s\n", audit->equivalent ? "holds" : "FAILS");
    printf("Resource control  %s, %" PRIu64 " entries checked\n",
           audit->violation_count ? "FAILS" : "holds", audit->entries);
    printf("Efficiency        %.2f %% of the instructions executed directly\n",
           100 * audit->direct);
    if (!audit->equivalent)
        print_search(audit);
    for (size_t i = 0; i < audit->violation_count && i < VMM_AUDIT_VIOLATIONS; i++)
        printf("  at %" PRIu64 ": %s\n", audit->violations[i].instruction,
               audit->violations[i].text);
    if (audit->violation_count > VMM_AUDIT_VIOLATIONS)
        printf("  and %zu more\n", audit->violation_count - VMM_AUDIT_VIOLATIONS);
    if (!audit->equivalent)
        print_divergence(&audit->divergence);
    return true;
}

static bool print(const struct vmm_audit *audit, enum format format)
{
    switch (format) {
    case FORMAT_JSON: return print_json(audit);
    case FORMAT_CSV: return print_csv(audit);
    default: return print_table(audit);
    }
}

/* ---- the audit ---- */

static bool show_progress(void *context, uint64_t instructions)
{
    (void)context;
    fprintf(stderr, "\r%" PRIu64 " instructions", instructions);
    return true;
}

struct modules {
    const struct module_file *file;
    int status;
    struct vmm_error error;
};

static void install(void *context, struct vmm_vm *vm)
{
    struct modules *modules = context;
    modules->status = module_file_install(modules->file, vm, &modules->error);
}

static int audit_guest(const struct request *request, struct guest *guest,
                       const struct vmm_file *input)
{
    const struct guest_options *wanted = &request->guest;
    bool shown = isatty(STDERR_FILENO);
    struct vmm_error error = {0};
    struct vmm_audit audit;
    struct modules modules = {.file = &request->file};
    const struct vmm_audit_request asked = {
        .config = wanted->config,
        .image = {.kind = wanted->load,
                  .file = guest->image,
                  .initrd = wanted->initrd ? &guest->initrd : NULL,
                  .cmdline = wanted->append,
                  .modules = guest->modules,
                  .module_count = wanted->module_count},
        .input = input->bytes,
        .input_size = input->size,
        .every = request->every,
        .exits = request->exits,
        .most = wanted->most_instructions ? wanted->most_instructions : DEFAULT_LIMIT,
        .progress = shown ? show_progress : NULL,
        .prepare = request->modules ? install : NULL,
        .context = &modules,
    };
    int code = vmm_audit(&asked, &audit, &error);
    if (shown)
        fputs("\r\033[K", stderr);
    if (code != VMM_OK)
        return guest_complain_of(wanted, &error);
    if (modules.status != VMM_OK)
        return guest_complain_of(wanted, &modules.error);
    if (!print(&audit, request->format))
        return guest_complain(wanted, VMM_FAILURE, "there is no memory for the report");
    return audit.equivalent && !audit.violation_count ? VMM_SUCCESS : VMM_FAILURE;
}

int vmm_cmd_audit(int argc, char **argv)
{
    struct request request = {
        .guest = {.command = "audit", .config = {.technique = guest_default_technique()}}};
    struct vmm_file input = {0};
    struct vmm_error error = {0};
    struct guest guest = {0};
    char why[2048];
    int status = parse(&request, argc, argv);
    if (status != VMM_SUCCESS)
        return status;
    if (request.guest.help) {
        print_help();
        return VMM_SUCCESS;
    }
    if (request.input && !vmm_file_read(request.input, &input, &error))
        status = guest_complain_of(&request.guest, &error);
    if (status == VMM_SUCCESS && request.modules &&
        !module_file_load(&request.file, request.modules, why, sizeof why))
        status = guest_complain(&request.guest, VMM_FAILURE, "%s", why);
    if (status == VMM_SUCCESS)
        status = guest_create(&guest, &request.guest);
    /* That one was to find out what is wrong with image and options; the audit makes its own. */
    vmm_destroy(guest.vm);
    guest.vm = NULL;
    if (status == VMM_SUCCESS)
        status = audit_guest(&request, &guest, &input);
    guest_destroy(&guest);
    vmm_file_free(&input);
    module_file_free(&request.file);
    return status;
}
