/* `vmm lab list | start N | grade N [DIR]`: the labs of a course. A lab is a folder NN-name with
 * what a student gets; its solution and mutants are elsewhere (docs/labs.md). */
#include "shell/cmd_lab.h"

#include "shell/command.h"
#include "shell/lab.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help_text[] =
    "Usage: vmm lab list\n"
    "       vmm lab start N\n"
    "       vmm lab grade N [DIR] [OPTION]...\n"
    "Exercises: a module of the monitor is yours to write, and real guests live or die by it.\n"
    "'start' makes the folder of lab N here; 'grade' builds the file in DIR (here), runs every "
    "test\n"
    "in a process of its own, and says of each that fails at which instruction and in which "
    "register.\n"
    "\n"
    "  --format FORMAT         table (default) or json, which Gradescope reads, too\n"
    "  -o FILE                 write the result into FILE\n"
    "  --tests DIR             other tests than the lab's own\n"
    "  --help                  this text\n"
    "\n"
    "Exit status of grade: 0 if every test passed, 1 if not, 2 if the command line is wrong.\n";

static __attribute__((format(printf, 2, 3))) int complain(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("vmm lab: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return status;
}

/* ---- where things are ---- */

static bool join(char path[LAB_PATH], const char *folder, const char *name)
{
    return (size_t)snprintf(path, LAB_PATH, "%s/%s", folder, name) < LAB_PATH;
}

/* The first of `places`, beside the program, in which there is `file`. */
static bool find(char path[LAB_PATH], const char *const *places, const char *file)
{
    char program[LAB_PATH], folder[LAB_PATH], inside[LAB_PATH];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return false;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    for (; *places; places++)
        if (join(folder, program, *places) && join(inside, folder, file) &&
            access(inside, R_OK) == 0 && realpath(folder, path))
            return true;
    return false;
}

/* As it is installed, as it is built, and as a variant of it is built. */
static bool find_places(struct lab_places *places)
{
    static const char *const labs[] = {"../share/vmm/labs", "../labs", "../../labs", NULL},
                             *const headers[] = {"../include", "../libvmm/include",
                                                 "../../libvmm/include", NULL},
                             *const library[] = {"../lib", ".", NULL};
    return find(places->labs, labs, "lab.h") && find(places->include, headers, "vmm/module.h") &&
           find(places->library, library, "libvmm.so");
}

static int is_lab(const struct dirent *entry)
{
    const char *name = entry->d_name;
    return isdigit((unsigned char)name[0]) && isdigit((unsigned char)name[1]) && name[2] == '-';
}

/* Calls `each` with the name of every lab; whether there are any. */
static bool for_each_lab(const struct lab_places *places,
                         void (*each)(const struct lab_places *places, const char *name,
                                      void *context),
                         void *context)
{
    struct dirent **entries;
    int count = scandir(places->labs, &entries, is_lab, alphasort);
    for (int i = 0; i < count; i++) {
        each(places, entries[i]->d_name, context);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return count > 0;
}

struct wanted {
    long number;
    char name[256];
};

static void take_lab(const struct lab_places *places, const char *name, void *context)
{
    struct wanted *wanted = context;
    (void)places;
    if (strtol(name, NULL, 10) == wanted->number)
        snprintf(wanted->name, sizeof wanted->name, "%s", name);
}

static int find_lab(struct lab_places *places, const char *number, struct wanted *wanted)
{
    char *end;
    *wanted = (struct wanted){.number = strtol(number, &end, 10)};
    if (!find_places(places))
        return complain(VMM_FAILURE,
                        "the labs, headers or libvmm.so are missing; install vmm with 'make "
                        "install'");
    if (*end || end == number)
        return complain(VMM_USAGE, "'%.40s' is no number of a lab; 'vmm lab list' shows them",
                        number);
    for_each_lab(places, take_lab, wanted);
    if (!wanted->name[0] || !join(places->lab, places->labs, wanted->name) ||
        !join(places->tests, places->lab, "tests"))
        return complain(VMM_USAGE, "there is no lab %ld; 'vmm lab list' shows them",
                        wanted->number);
    return VMM_SUCCESS;
}

/* ---- list ---- */

static void print_lab(const struct lab_places *places, const char *name, void *context)
{
    char folder[LAB_PATH], path[LAB_PATH], line[256] = "";
    (void)context;
    FILE *file = join(folder, places->labs, name) && join(path, folder, "README.md")
                     ? fopen(path, "re")
                     : NULL;
    if (file && fgets(line, sizeof line, file))
        line[strcspn(line, "\n")] = '\0';
    if (file)
        fclose(file);
    printf("  %2ld  %s\n", strtol(name, NULL, 10), strncmp(line, "# ", 2) == 0 ? line + 2 : name);
}

static int list(void)
{
    struct lab_places places = {0};
    if (!find_places(&places) || !for_each_lab(&places, print_lab, NULL))
        return complain(VMM_FAILURE, "there are no labs; install vmm with 'make install'");
    puts("\n'vmm lab start N' makes the folder of one.");
    return VMM_SUCCESS;
}

/* ---- start ---- */

static int copy(const char *from, const char *to)
{
    char output[LAB_SENTENCE], *const arguments[] = {"cp",         "-r",       "--",
                                                     (char *)from, (char *)to, NULL};
    return lab_run(arguments, output, sizeof output, 60) == 0
               ? VMM_SUCCESS
               : complain(VMM_FAILURE, "'%s' cannot be copied: %s", from, output);
}

static int start(const char *number)
{
    struct lab_places places = {0};
    struct wanted wanted;
    char path[LAB_PATH];
    int status = find_lab(&places, number, &wanted);
    if (status != VMM_SUCCESS)
        return status;
    if (access(wanted.name, F_OK) == 0)
        return complain(VMM_FAILURE, "'%s' is there already; rename it, or go on with it",
                        wanted.name);
    if (join(path, places.lab, "starter"))
        status = copy(path, wanted.name);
    if (status == VMM_SUCCESS && join(path, places.lab, "README.md"))
        status = copy(path, wanted.name);
    if (status == VMM_SUCCESS && join(path, places.lab, "tests"))
        status = copy(path, wanted.name);
    if (status == VMM_SUCCESS && join(path, places.labs, "lab.h"))
        status = copy(path, wanted.name);
    if (status == VMM_SUCCESS)
        printf("Made %s. Its README.md says what to do; to see how far you are:\n"
               "    cd %s\n    vmm lab grade %ld\n",
               wanted.name, wanted.name, wanted.number);
    return status;
}

/* ---- grade ---- */

static double total(const struct lab_result *result, bool most)
{
    double sum = 0;
    for (size_t i = 0; i < result->count; i++)
        sum += most ? result->tests[i].points : result->tests[i].score;
    return sum;
}

static void print_table(FILE *to, const struct lab_result *result, long number)
{
    if (result->output[0])
        fprintf(to, "%s%s\n", result->output,
                result->output[strlen(result->output) - 1] == '\n' ? "" : "\n");
    for (size_t i = 0; i < result->count; i++) {
        const struct lab_test *test = &result->tests[i];
        fprintf(to, "%-6s %4g / %-4g %s\n", test->passed ? "passed" : "FAILED", test->score,
                test->points, test->name);
        if (!test->passed && result->built)
            for (const char *line = test->output; *line;) {
                int length = (int)strcspn(line, "\n");
                fprintf(to, "         %.*s\n", length, line);
                line += length + (line[length] == '\n');
            }
    }
    fprintf(to, "Lab %ld: %g of %g points\n", number, total(result, false), total(result, true));
}

/* Student code may put bytes into a compiler's message that are no UTF-8. */
static json_t *text_of(const char *text)
{
    char plain[8192];
    json_t *string = json_string(text);
    if (string)
        return string;
    snprintf(plain, sizeof plain, "%s", text);
    for (char *at = plain; *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    return json_string(plain);
}

static void print_json(FILE *to, const struct lab_result *result, long number)
{
    json_t *tests = json_array();
    for (size_t i = 0; i < result->count; i++) {
        const struct lab_test *test = &result->tests[i];
        json_array_append_new(
            tests, json_pack("{s:o, s:f, s:f, s:s, s:o}", "name", text_of(test->name), "score",
                             test->score, "max_score", test->points, "status",
                             test->passed ? "passed" : "failed", "output", text_of(test->output)));
    }
    json_t *root = json_pack("{s:I, s:f, s:f, s:o, s:o}", "lab", (json_int_t)number, "score",
                             total(result, false), "max_score", total(result, true), "output",
                             text_of(result->output), "tests", tests);
    json_dumpf(root, to, JSON_INDENT(2));
    fputc('\n', to);
    json_decref(root);
}

struct options {
    const char *number, *folder, *output, *tests;
    bool json;
};

static int parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){0};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool format = strcmp(word, "--format") == 0, output = strcmp(word, "-o") == 0,
             tests = strcmp(word, "--tests") == 0;
        if (format || output || tests) {
            if (++i == argc)
                return complain(VMM_USAGE, "%s needs a value; --help explains it", word);
            if (format && strcmp(argv[i], "json") != 0 && strcmp(argv[i], "table") != 0)
                return complain(VMM_USAGE, "there is no format '%.40s'; use table or json",
                                argv[i]);
            if (format)
                options->json = strcmp(argv[i], "json") == 0;
            *(output ? &options->output : tests ? &options->tests : &word) = argv[i];
        } else if (word[0] == '-' && word[1]) {
            return complain(VMM_USAGE, "'%.40s' is no option of lab grade; --help lists them",
                            word);
        } else if (!options->number) {
            options->number = word;
        } else if (!options->folder) {
            options->folder = word;
        } else {
            return complain(VMM_USAGE, "'%.40s' is too much; give one lab and one folder", word);
        }
    }
    return options->number ? VMM_SUCCESS
                           : complain(VMM_USAGE, "say which lab: vmm lab grade N [DIR]");
}

static void remove_work(const struct lab_places *places)
{
    static const char *const files[] = {"module.so", "runner", "guest.bin", "guest.run"};
    char path[LAB_PATH];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (join(path, places->work, files[i]))
            unlink(path);
    rmdir(places->work);
}

static int write_result(const struct options *options, const struct lab_result *result, long number)
{
    FILE *to = options->output ? fopen(options->output, "we") : stdout;
    if (!to)
        return complain(VMM_FAILURE, "'%s' cannot be written: %s", options->output,
                        strerror(errno));
    (options->json ? print_json : print_table)(to, result, number);
    bool good = !ferror(to);
    if (to != stdout && fclose(to) != 0)
        good = false;
    return good ? VMM_SUCCESS
                : complain(VMM_FAILURE, "'%s' cannot be written; free some space",
                           options->output ? options->output : "standard output");
}

/* What a grader that could not do its work gives: nothing for any test, and why. */
static void forfeit(struct lab_result *result, const char *why)
{
    snprintf(result->output, sizeof result->output, "Not graded: %s", why);
    result->built = false;
    for (size_t i = 0; i < result->count; i++) {
        result->tests[i].passed = false;
        result->tests[i].score = 0;
        snprintf(result->tests[i].output, sizeof result->tests[i].output, "Not graded: %.900s",
                 why);
    }
}

static int grade(int argc, char **argv)
{
    static struct lab_result result;
    struct lab_places places = {0};
    struct options options;
    struct wanted wanted;
    char file[300], why[LAB_SENTENCE] = "";
    const char *temporary = getenv("TMPDIR");
    int status = parse(argc, argv, &options);
    if (status == VMM_SUCCESS)
        status = find_lab(&places, options.number, &wanted);
    if (status != VMM_SUCCESS)
        return status;
    snprintf(file, sizeof file, "%s.c", wanted.name + 3);
    if (!join(places.source, options.folder ? options.folder : ".", file) ||
        access(places.source, R_OK) != 0)
        return complain(VMM_FAILURE, "'%s' cannot be read; 'vmm lab start %ld' makes a folder",
                        places.source, wanted.number);
    if (options.tests && !realpath(options.tests, places.tests))
        return complain(VMM_FAILURE, "'%s' cannot be read: %s", options.tests, strerror(errno));
    if (!lab_find_tests(&places, &result))
        return complain(VMM_FAILURE, "there are no tests in '%s'", places.tests);
    if (!join(places.work, temporary && temporary[0] ? temporary : "/tmp", "vmm-lab-XXXXXX") ||
        !mkdtemp(places.work))
        return complain(VMM_FAILURE, "no temporary folder can be made: %s", strerror(errno));
    if (!lab_grade(&places, &result, why)) {
        forfeit(&result, why);
        complain(VMM_FAILURE, "this machine cannot grade: %s", why);
    }
    remove_work(&places);
    status = write_result(&options, &result, wanted.number);
    return status == VMM_SUCCESS && total(&result, false) < total(&result, true) ? VMM_FAILURE
                                                                                 : status;
}

int vmm_cmd_lab(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help_text, stdout);
            return VMM_SUCCESS;
        }
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return list();
    if (argc == 3 && strcmp(argv[1], "start") == 0)
        return start(argv[2]);
    if (argc > 1 && strcmp(argv[1], "grade") == 0)
        return grade(argc - 1, argv + 1);
    return complain(VMM_USAGE, "use vmm lab list, vmm lab start N or vmm lab grade N [DIR]");
}
