/* `vmm lab list | start N | grade N [DIR]`: the labs of a course. A lab is a folder NN-name with
 * what a student gets; its solution and mutants are elsewhere (docs/labs.md). */
#include "shell/cmd_lab.h"

#include "shell/command.h"
#include "shell/lab_class.h"
#include "shell/lab_find.h"
#include "shell/lab_process.h"
#include "shell/lab_report.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help_text[] =
    "Usage: vmm lab list\n"
    "       vmm lab start N\n"
    "       vmm lab grade N [DIR] [OPTION]...\n"
    "       vmm lab grade N --class DIR [OPTION]...\n"
    "Exercises: a module of the monitor is yours to write, and real guests live or die by it.\n"
    "'start' makes the folder of lab N here; 'grade' builds the file in DIR (here), runs every "
    "test\n"
    "in a process of its own, and says of each that fails at which instruction and in which "
    "register.\n"
    "\n"
    "  --format FORMAT         table (default), json (Gradescope's results.json), tap or junit\n"
    "  -o FILE                 write the result into FILE; from the start there is one in it\n"
    "  --tests DIR             other tests than the lab's own\n"
    "  --hidden DIR            more tests than the lab's own\n"
    "  --class DIR             grade every folder in DIR that has no result yet, on all "
    "processors\n"
    "  --results DIR           where the class's results go (the class's DIR, with .results)\n"
    "  --jobs N                processes at once for a class\n"
    "  --help                  this text\n"
    "\n"
    "At the prompt of vmm debug, 'lab start N' builds the file and switches it in.\n"
    "Exit status of grade: 0 if every test passed (with --class: if all could be graded), 1 if "
    "not,\n"
    "2 if the command line is wrong.\n";

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

/* ---- list ---- */

static void print_lab(const struct lab *lab)
{
    printf("  %2ld  %s\n", lab->number, lab->title[0] ? lab->title : lab->name);
}

static int list(void)
{
    if (!lab_for_each(print_lab))
        return complain(VMM_FAILURE, "there are no labs; install vmm with 'make install'");
    puts("\n'vmm lab start N' makes the folder of one.");
    return VMM_SUCCESS;
}

/* ---- start ---- */

static int is_module(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return end && strcmp(end, ".so") == 0;
}

static int copy(const char *folder, const char *name, const char *to)
{
    char from[LAB_PATH], output[LAB_SENTENCE];
    if (lab_join(from, folder, name) && access(from, R_OK) == 0 &&
        lab_run(LAB_WORDS("cp", "-r", "--", from, (char *)to), output, sizeof output, 60) != 0)
        return complain(VMM_FAILURE, "'%s' cannot be copied: %s", from, output);
    return VMM_SUCCESS;
}

/* What was built for students: modules of the VMM that they are to look into, and what is in the
 * folder give. */
static int copy_built(const struct lab *lab)
{
    struct dirent **entries;
    int count = scandir(lab->places.built, &entries, is_module, alphasort);
    int status = copy(lab->places.built, "give/.", lab->name);
    for (int i = 0; i < count; i++) {
        if (status == VMM_SUCCESS)
            status = copy(lab->places.built, entries[i]->d_name, lab->name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return status;
}

static int start(const char *number)
{
    static const char *const parts[] = {"starter/.", "README.md", "tests", "guests"};
    static struct lab lab;
    char why[LAB_SENTENCE];
    int status = lab_find(&lab, number, why);
    if (status != VMM_SUCCESS)
        return complain(status, "%s", why);
    if (access(lab.name, F_OK) == 0)
        return complain(VMM_FAILURE, "'%s' is there already; rename it, or go on with it",
                        lab.name);
    if (mkdir(lab.name, 0777) != 0)
        return complain(VMM_FAILURE, "'%s' cannot be made: %s", lab.name, strerror(errno));
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == VMM_SUCCESS; i++)
        status = copy(lab.places.lab, parts[i], lab.name);
    if (status == VMM_SUCCESS)
        status = copy(lab.places.labs, lab.header, lab.name);
    if (status == VMM_SUCCESS)
        status = copy_built(&lab);
    if (status == VMM_SUCCESS)
        printf("Made %s. Its README.md says what to do; to see how far you are:\n"
               "    cd %s\n    vmm lab grade %ld\n",
               lab.name, lab.name, lab.number);
    return status;
}

/* ---- grade ---- */

struct options {
    const char *number, *folder, *output, *tests, *hidden, *class, *results, *format, *jobs;
    unsigned job_count;
};

/* The options that take a value. */
static const struct {
    const char *name;
    size_t offset;
} valued[] = {{"--format", offsetof(struct options, format)},
              {"-o", offsetof(struct options, output)},
              {"--tests", offsetof(struct options, tests)},
              {"--hidden", offsetof(struct options, hidden)},
              {"--class", offsetof(struct options, class)},
              {"--results", offsetof(struct options, results)},
              {"--jobs", offsetof(struct options, jobs)}};

static const char **find_valued(struct options *options, const char *word)
{
    for (size_t i = 0; i < sizeof valued / sizeof *valued; i++)
        if (strcmp(valued[i].name, word) == 0)
            return (const char **)((char *)options + valued[i].offset);
    return NULL;
}

static int check(struct options *options)
{
    char *end = NULL;
    if (!options->number)
        return complain(VMM_USAGE, "say which lab: vmm lab grade N [DIR]");
    if (!lab_find_report(options->format))
        return complain(VMM_USAGE, "there is no format '%.40s'; use table, json, tap or junit",
                        options->format);
    if (options->class && (options->folder || options->output))
        return complain(VMM_USAGE,
                        "--class has its own folders; leave '%.100s' away, or use --results",
                        options->folder ? options->folder : "-o");
    if (!options->class && (options->results || options->jobs))
        return complain(VMM_USAGE, "--results and --jobs are for a class; add --class DIR");
    options->job_count = options->jobs ? (unsigned)strtoul(options->jobs, &end, 10) : 0;
    if (options->jobs && (*end || options->job_count < 1 || options->job_count > 1024))
        return complain(VMM_USAGE, "'%.40s' is no number of processes", options->jobs);
    return VMM_SUCCESS;
}

static int parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){.format = "table"};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], **value = find_valued(options, word);
        if (value && ++i == argc)
            return complain(VMM_USAGE, "%s needs a value; --help explains it", word);
        else if (value)
            *value = argv[i];
        else if (word[0] == '-' && word[1])
            return complain(VMM_USAGE, "'%.40s' is no option of lab grade; --help lists them",
                            word);
        else if (!options->number)
            options->number = word;
        else if (!options->folder)
            options->folder = word;
        else
            return complain(VMM_USAGE, "'%.40s' is too much; give one lab and one folder", word);
    }
    return check(options);
}

static int cannot_write(const char *path)
{
    return complain(VMM_FAILURE, "'%s' cannot be written: %s", path, strerror(errno));
}

/* What stands in the file while the grader works, and for good if it is killed. */
static int write_provisional(const struct options *options, const struct lab *lab,
                             struct lab_result *result)
{
    lab_forfeit(result, "the grader was ended before it was through; start it again");
    return !options->output ||
                   lab_write_report(options->output, lab_find_report(options->format), lab, result)
               ? VMM_SUCCESS
               : cannot_write(options->output);
}

static int write_result(const struct options *options, const struct lab *lab,
                        const struct lab_result *result)
{
    lab_report *report = lab_find_report(options->format);
    if (options->output)
        return lab_write_report(options->output, report, lab, result)
                   ? VMM_SUCCESS
                   : cannot_write(options->output);
    report(stdout, lab, result);
    return fflush(stdout) == 0 ? VMM_SUCCESS : cannot_write("standard output");
}

static int grade_one(const struct options *options, const struct lab *lab,
                     struct lab_result *result)
{
    const char *folder = options->folder ? options->folder : ".";
    char why[LAB_SENTENCE] = "";
    if (access(folder, R_OK) != 0)
        return complain(VMM_FAILURE, "'%s' cannot be read; 'vmm lab start %ld' makes a folder",
                        folder, lab->number);
    int status = write_provisional(options, lab, result);
    if (status != VMM_SUCCESS)
        return status;
    if (!lab_prepare(lab, result, why) || !lab_grade(lab, folder, result, why)) {
        lab_forfeit(result, why);
        complain(VMM_FAILURE, "this machine cannot grade: %s", why);
    }
    status = write_result(options, lab, result);
    return status == VMM_SUCCESS && lab_total(result, false) < lab_total(result, true) ? VMM_FAILURE
                                                                                       : status;
}

static int grade_many(const struct options *options, const struct lab *lab,
                      struct lab_result *result)
{
    char results[LAB_PATH], why[LAB_SENTENCE];
    size_t length = strlen(options->class);
    while (length > 1 && options->class[length - 1] == '/')
        length--;
    snprintf(results, sizeof results, "%.*s.results", (int)(length < 4000 ? length : 4000),
             options->class);
    const struct lab_class class = {.lab = lab,
                                    .result = result,
                                    .folder = options->class,
                                    .results = options->results ? options->results : results,
                                    .jobs = options->job_count};
    return lab_prepare(lab, result, why)
               ? lab_grade_class(&class)
               : complain(VMM_FAILURE, "this machine cannot grade: %s", why);
}

static int place_tests(const struct options *options, struct lab *lab, struct lab_result *result)
{
    struct lab_places *places = &lab->places;
    if (options->tests && !realpath(options->tests, places->tests))
        return complain(VMM_FAILURE, "'%s' cannot be read: %s", options->tests, strerror(errno));
    if (options->hidden && !realpath(options->hidden, places->hidden))
        return complain(VMM_FAILURE, "'%s' cannot be read: %s", options->hidden, strerror(errno));
    return lab_find_tests(lab, result)
               ? VMM_SUCCESS
               : complain(VMM_FAILURE, "there are no tests in '%s'", places->tests);
}

static int grade(int argc, char **argv)
{
    static struct lab_result result;
    static struct lab lab;
    struct options options;
    char why[LAB_SENTENCE];
    int status = parse(argc, argv, &options);
    if (status != VMM_SUCCESS)
        return status;
    status = lab_find(&lab, options.number, why);
    if (status != VMM_SUCCESS)
        return complain(status, "%s", why);
    status = place_tests(&options, &lab, &result);
    if (status == VMM_SUCCESS)
        status = (options.class ? grade_many : grade_one)(&options, &lab, &result);
    lab_free_tests(&result);
    return status;
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
