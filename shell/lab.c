/* What all labs have in common: the description in their folder, the list of tests, and the order
 * in which a submission is built and tested. */
#define _GNU_SOURCE /* FTW_ACTIONRETVAL */
#include "shell/lab.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct lab_kind *const kinds[] = {&lab_kind_guest, &lab_kind_formal, &lab_kind_audit,
                                               &lab_kind_translate, &lab_kind_kernel};

static const struct lab_kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}

/* ---- folders ---- */

bool lab_join(char path[LAB_PATH], const char *folder, const char *name)
{
    return (size_t)snprintf(path, LAB_PATH, "%s/%s", folder, name) < LAB_PATH;
}

bool lab_make_folder(char path[LAB_PATH])
{
    const char *temporary = getenv("TMPDIR");
    return lab_join(path, temporary && temporary[0] ? temporary : "/tmp", "vmm-lab-XXXXXX") &&
           mkdtemp(path);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    remove(path);
    return 0;
}

void lab_remove_folder(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- descriptions ---- */

static bool read_text(const char *folder, const char *name, char *text, size_t room)
{
    char path[LAB_PATH];
    FILE *file = lab_join(path, folder, name) ? fopen(path, "re") : NULL;
    size_t count = file ? fread(text, 1, room - 1, file) : 0;
    if (file)
        fclose(file);
    text[count] = '\0';
    return file;
}

void lab_field(const char *text, const char *key, char *value, size_t room)
{
    const char *at = strstr(text, key);
    value[0] = '\0';
    if (!at)
        return;
    at += strlen(key);
    snprintf(value, room, "%.*s", (int)strcspn(at, "\n"), at);
    char *end = strstr(value, " */");
    if (end)
        *end = '\0';
}

bool lab_read(struct lab *lab, char why[LAB_SENTENCE])
{
    char text[8192], files[1024];
    if (read_text(lab->places.lab, "README.md", text, sizeof text) && strncmp(text, "# ", 2) == 0)
        snprintf(lab->title, sizeof lab->title, "%.*s", (int)strcspn(text + 2, "\n"), text + 2);
    if (!read_text(lab->places.lab, "lab.conf", text, sizeof text)) {
        snprintf(why, LAB_SENTENCE, "'%.1000s/lab.conf' cannot be read", lab->places.lab);
        return false;
    }
    lab_field(text, "\nheader: ", lab->header, sizeof lab->header);
    if (!lab->header[0])
        snprintf(lab->header, sizeof lab->header, "lab.h");
    lab_field(text, "\nrunner: ", lab->runner, sizeof lab->runner);
    lab_field(text, "\ntechnique: ", lab->technique, sizeof lab->technique);
    if (!lab->technique[0])
        snprintf(lab->technique, sizeof lab->technique, "trap");
    lab_field(text, "\nfile: ", files, sizeof files);
    lab->file_count = 0;
    for (char *word = strtok(files, " "); word && lab->file_count < LAB_MOST_FILES;
         word = strtok(NULL, " "))
        snprintf(lab->files[lab->file_count++], sizeof lab->files[0], "%s", word);
    if (find_kind(lab->runner) && lab->file_count > 0)
        return true;
    snprintf(why, LAB_SENTENCE, "'%.1000s/lab.conf' lacks a 'file:' or a 'runner:' of a known kind",
             lab->places.lab);
    return false;
}

static bool read_test(const char *folder, const char *name, bool hidden, struct lab_test *test)
{
    char points[32];
    *test = (struct lab_test){.hidden = hidden};
    if (!read_text(folder, name, test->text, sizeof test->text) ||
        !lab_join(test->path, folder, name))
        return false;
    snprintf(test->file, sizeof test->file, "%s", name);
    lab_field(test->text, "name: ", test->name, sizeof test->name);
    lab_field(test->text, "points: ", points, sizeof points);
    lab_field(test->text, "hint: ", test->hint, sizeof test->hint - 1);
    if (!strchr("?!.", test->hint[strlen(test->hint) - (test->hint[0] != '\0')]))
        strcat(test->hint, ".");
    test->points = strtod(points, NULL);
    return test->name[0] && test->points > 0;
}

static int is_test(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void find_in(const char *folder, bool hidden, struct lab_result *result)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_test, alphasort);
    for (int i = 0; i < count; i++) {
        if (result->count < LAB_MOST_TESTS &&
            read_test(folder, entries[i]->d_name, hidden, &result->tests[result->count]))
            result->count++;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

bool lab_find_tests(const struct lab *lab, struct lab_result *result)
{
    result->count = 0;
    find_in(lab->places.tests, false, result);
    if (lab->places.hidden[0])
        find_in(lab->places.hidden, true, result);
    return result->count > 0;
}

bool lab_prepare(const struct lab *lab, struct lab_result *result, char why[LAB_SENTENCE])
{
    const struct lab_kind *kind = find_kind(lab->runner);
    for (size_t i = 0; i < result->count && kind->prepare; i++)
        if (!kind->prepare(lab, &result->tests[i], why))
            return false;
    return true;
}

void lab_free_tests(struct lab_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        free(result->tests[i].guest);
}

/* ---- grading ---- */

static bool run_tests(const struct lab_kind *kind, struct lab_job *job)
{
    struct lab_result *result = job->result;
    for (size_t i = 0; i < result->count; i++) {
        struct lab_test *test = &result->tests[i];
        test->passed = false;
        test->score = 0;
        test->output[0] = '\0';
        if (!result->built)
            snprintf(test->output, sizeof test->output, "The file was not accepted: %.900s",
                     result->output);
        else if (!kind->run(job, test))
            return false;
    }
    return true;
}

bool lab_grade(const struct lab *lab, const char *submission, struct lab_result *result,
               char why[LAB_SENTENCE])
{
    const struct lab_kind *kind = find_kind(lab->runner);
    struct lab_job job = {.lab = lab, .submission = submission, .result = result};
    result->output[0] = '\0';
    if (!lab_make_folder(job.work)) {
        snprintf(why, LAB_SENTENCE, "no temporary folder can be made: %s", strerror(errno));
        return false;
    }
    result->built = kind->build(&job);
    bool good = run_tests(kind, &job);
    lab_remove_folder(job.work);
    snprintf(why, LAB_SENTENCE, "%s", job.why);
    return good;
}
