/* `vmm theorem 1|2|3`: decides one of Popek and Goldberg's theorems and shows what it rests on, the
 * classes of the instructions and, for a formal machine, the homomorphism that was tried. */
#include "cmd_theorem.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/classify.h"
#include "vmm/theorem.h"

enum { SUCCESS, FAILURE, USAGE };

enum format { TABLE, JSON, CSV };

static const char *const format_names[] = {"table", "json", "csv"};

struct request {
    int theorem;
    const char *isa, *machine;
    enum format format;
    struct vmm_theorem_limits limits;
};

static void print_help(void)
{
    puts("Usage: vmm theorem 1|2|3 [--isa ISA | --machine FILE] [OPTION]...\n"
         "Decide one of Popek and Goldberg's theorems for an instruction set, by experiment, or "
         "for a\n"
         "formal machine, by trying all of its states.\n"
         "\n"
         "  1  a VMM may be constructed: sensitive instructions are privileged\n"
         "  2  the machine is recursively virtualizable\n"
         "  3  a hybrid VMM may be constructed: user sensitive instructions are privileged\n"
         "\n"
         "  --isa ISA         the instruction set (x86-32 unless told)\n"
         "  --machine FILE    a formal machine's file, or the name of one that comes with vmm:");
    printf("                   ");
    const char *name;
    for (unsigned i = 0; (name = vmm_theorem_shipped(i, NULL, NULL)); i++)
        printf(" %s", name);
    puts("\n"
         "  --show            print the formal machine's text, and decide nothing\n"
         "  --length N        try sequences of up to N instructions (2)\n"
         "  --max-states N    refuse a machine with more states (1000000)\n"
         "  --max-checks N    give up after comparing N instructions (100000000)\n"
         "  --format FORMAT   table, json or csv\n"
         "  --help            this text");
}

static __attribute__((format(printf, 2, 3))) int complain(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("vmm theorem: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return status;
}

/* ---- what is decided ---- */

/* The machine in the file, or else the shipped one of that name; NULL after a complaint. */
static struct vmm_formal_machine *load_machine(const struct request *request)
{
    struct vmm_theorem_error error;
    struct vmm_formal_machine *machine;
    const char *name, *text = NULL;
    size_t length = 0;
    for (unsigned i = 0; (name = vmm_theorem_shipped(i, &text, &length)); i++)
        if (strcmp(name, request->machine) == 0)
            break;
    if (name && access(request->machine, F_OK) != 0)
        machine = vmm_theorem_load(text, length, &request->limits, &error);
    else
        machine = vmm_theorem_load_file(request->machine, &request->limits, &error);
    if (!machine && error.line)
        complain(FAILURE, "%s: %s", request->machine, error.message);
    else if (!machine)
        complain(FAILURE, "%s", error.message);
    return machine;
}

static void show_progress(void *data, size_t done, size_t total)
{
    (void)data;
    fprintf(stderr, "\rclassifying: %zu of %zu%s", done, total, done == total ? "\r\033[K" : "");
}

static struct vmm_classification *classify(const char *isa)
{
    struct vmm_classify_options options = {.progress =
                                               isatty(STDERR_FILENO) ? show_progress : NULL};
    char error[256] = "";
    struct vmm_classification *classes = vmm_classify(isa, &options, error, sizeof error);
    if (!classes)
        complain(FAILURE, "%s", error);
    return classes;
}

/* ---- how it is shown ---- */

static const char *verdict(const struct vmm_theorem_result *result)
{
    static const char *const words[] = {"does not hold", "holds", "is not decided"};
    return words[result->holds];
}

static void print_classes(const struct vmm_theorem_result *result)
{
    puts("\ninstruction       privileged  control  location  mode  user  supervisor");
    for (size_t i = 0; i < result->record_count; i++) {
        const struct vmm_class_record *record = result->records[i];
        printf("%-16s  %-10s  %-7s  %-8s  %-4s  %-4s  %s\n", record->mnemonic,
               record->privileged ? "yes" : "-", record->control_sensitive ? "yes" : "-",
               record->location_sensitive ? "yes" : "-", record->mode_sensitive ? "yes" : "-",
               record->user_sensitive ? "yes" : "-", record->supervisor_sensitive ? "yes" : "-");
    }
}

static void print_check(const struct vmm_theorem_result *result)
{
    printf("\n%llu states, %u VMM%s. f(e(S)) was compared with e'(f(S)) %llu times:\n"
           "%llu instructions executed directly, %llu steps of VMMs.\n",
           (unsigned long long)result->states, result->levels,
           result->levels == 1 ? "" : "s, one in the other", (unsigned long long)result->checks,
           (unsigned long long)result->direct, (unsigned long long)result->entries);
    if (result->holds == VMM_VERDICT_TRUE)
        printf("From every state all %llu sequences of up to %u instructions were tried.\n",
               (unsigned long long)result->sequences, result->length);
    if (result->trace_count)
        puts("\nThe shortest counterexample:");
    for (size_t i = 0; i < result->trace_count; i++)
        printf("  %s\n", result->trace[i]);
}

static void print_list(char *const *list, size_t count, const char *separator)
{
    for (size_t i = 0; i < count; i++)
        printf("%s%s", i ? separator : "", list[i]);
}

static void print_table(const struct vmm_theorem_result *result)
{
    printf("Theorem %d %s for %s.\n", result->theorem, verdict(result), result->isa);
    if (result->reason)
        printf("Reason: %s.\n", result->reason);
    if (result->counterexample_count) {
        printf("Counterexamples: ");
        print_list(result->counterexamples, result->counterexample_count, " ");
        putchar('\n');
    }
    if (result->conditions)
        printf("Conditions: %s.\n", result->conditions);
    if (!result->formal) {
        printf("From the classes of %zu instruction forms.\n", result->record_count);
        return;
    }
    print_classes(result);
    print_check(result);
}

static void print_quoted(const char *text)
{
    putchar('"');
    for (; text && *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_csv(const struct vmm_theorem_result *result)
{
    static const char *const words[] = {"false", "true", ""};
    puts("theorem,isa,holds,counterexamples,conditions,reason,states,sequences,checks");
    printf("%d,%s,%s,\"", result->theorem, result->isa, words[result->holds]);
    print_list(result->counterexamples, result->counterexample_count, " ");
    printf("\",");
    print_quoted(result->conditions);
    putchar(',');
    print_quoted(result->reason);
    if (result->formal)
        printf(",%llu,%llu,%llu\n", (unsigned long long)result->states,
               (unsigned long long)result->sequences, (unsigned long long)result->checks);
    else
        puts(",,,");
}

static int show(struct vmm_theorem_result *result, enum format format,
                const struct vmm_theorem_error *error)
{
    if (!result)
        return complain(FAILURE, "%s", error->message);
    int status = SUCCESS;
    if (format == TABLE) {
        print_table(result);
    } else if (format == CSV) {
        print_csv(result);
    } else {
        char *json = vmm_theorem_json(result);
        if (json)
            puts(json);
        else
            status = complain(FAILURE, "there is no memory for the result; close other programs");
        free(json);
    }
    vmm_theorem_result_free(result);
    return status;
}

static int decide_formal(const struct request *request)
{
    struct vmm_theorem_error error;
    struct vmm_formal_machine *machine = load_machine(request);
    if (!machine)
        return FAILURE;
    int status =
        show(vmm_theorem_decide(machine, request->theorem, NULL, &error), request->format, &error);
    vmm_theorem_unload(machine);
    return status;
}

static int decide_isa(const struct request *request)
{
    struct vmm_theorem_error error;
    struct vmm_classification *classes = classify(request->isa);
    if (!classes)
        return FAILURE;
    int status = show(vmm_theorem_decide_classes(request->isa, vmm_classification_records(classes),
                                                 vmm_classification_count(classes),
                                                 request->theorem, &error),
                      request->format, &error);
    vmm_classification_free(classes);
    return status;
}

static int show_machine(const char *wanted)
{
    const char *name, *text;
    size_t length;
    for (unsigned i = 0; (name = vmm_theorem_shipped(i, &text, &length)); i++) {
        if (strcmp(name, wanted) != 0)
            continue;
        fwrite(text, 1, length, stdout);
        return SUCCESS;
    }
    return complain(USAGE, "no machine '%s' comes with vmm; --help lists those that do", wanted);
}

/* ---- the command line ---- */

/* A whole positive decimal number up to `most`; 0 if it is none. */
static uint64_t parse_number(const char *text, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    bool digits = *text >= '0' && *text <= '9' && *end == '\0' && !errno;
    return digits && number <= most ? number : 0;
}

static bool known_isa(const char *isa)
{
    const char *const *names;
    size_t count = vmm_classify_isas(&names);
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], isa) == 0)
            return true;
    complain(USAGE, "there is no instruction set '%s'; 'vmm classify --help' lists them", isa);
    return false;
}

static bool parse_format(const char *text, enum format *format)
{
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, format_names[i]) != 0)
            continue;
        *format = (enum format)i;
        return true;
    }
    complain(USAGE, "there is no format '%s'; use table, json or csv", text);
    return false;
}

static bool parse_limit(int option, const char *text, struct vmm_theorem_limits *limits)
{
    uint64_t most = option == 'l' ? VMM_THEOREM_LENGTH : UINT64_MAX;
    uint64_t number = parse_number(text, most);
    if (!number) {
        complain(USAGE, "'%s' is no limit; use a number from 1%s", text,
                 option == 'l' ? " to 8" : "");
        return false;
    }
    if (option == 'l')
        limits->length = (unsigned)number;
    else if (option == 's')
        limits->max_states = number;
    else
        limits->max_checks = number;
    return true;
}

static const struct option options[] = {
    {"isa", required_argument, NULL, 'i'},
    {"machine", required_argument, NULL, 'm'},
    {"show", no_argument, NULL, 'S'},
    {"length", required_argument, NULL, 'l'},
    {"max-states", required_argument, NULL, 's'},
    {"max-checks", required_argument, NULL, 'c'},
    {"format", required_argument, NULL, 'f'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int run(struct request *request, bool show_text, int operands, char **operand)
{
    if (request->isa && request->machine)
        return complain(USAGE, "--isa and --machine exclude each other; give one of them");
    if (show_text && request->machine && !operands)
        return show_machine(request->machine);
    if (show_text)
        return complain(USAGE, "--show goes with --machine and no theorem; leave the rest away");
    if (operands != 1)
        return complain(USAGE, "which theorem? give 1, 2 or 3, and one only");
    request->theorem = (int)parse_number(operand[0], 3);
    if (!request->theorem)
        return complain(USAGE, "there is no theorem '%s'; give 1, 2 or 3", operand[0]);
    if (request->machine)
        return decide_formal(request);
    if (!request->isa)
        request->isa = "x86-32";
    return known_isa(request->isa) ? decide_isa(request) : USAGE;
}

int vmm_cmd_theorem(int argc, char **argv)
{
    struct request request = {.format = TABLE};
    bool show_text = false;
    int option;
    optind = 0; /* another command may have used getopt before */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (option) {
        case 'h': print_help(); return SUCCESS;
        case 'i': request.isa = optarg; break;
        case 'm': request.machine = optarg; break;
        case 'S': show_text = true; break;
        case 'f':
            if (!parse_format(optarg, &request.format))
                return USAGE;
            break;
        case 'l':
        case 's':
        case 'c':
            if (!parse_limit(option, optarg, &request.limits))
                return USAGE;
            break;
        case ':':
            return complain(USAGE, "'%s' needs a value; --help shows which", argv[optind - 1]);
        default: return complain(USAGE, "there is no option '%s'; see --help", argv[optind - 1]);
        }
    }
    return run(&request, show_text, argc - optind, argv + optind);
}
