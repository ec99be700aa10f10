/* Grading a whole class on all processors. A submission is graded by a process of its own, which
 * writes its result under another name and renames it at the end: a result that is there is whole,
 * and is not made again. So grading can be interrupted anywhere and goes on where it was. */
#include "shell/lab_class.h"

#include "shell/command.h"
#include "shell/lab_report.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT_GRADE = 3 }; /* exit status of a child */

struct names {
    struct dirent **entries;
    int count;
};

static int is_name(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool result_path(const struct lab_class *class, const char *name, char path[LAB_PATH])
{
    char file[300];
    snprintf(file, sizeof file, "%.250s.json", name);
    return lab_join(path, class->results, file);
}

static bool is_folder(const struct lab_class *class, const char *name)
{
    char path[LAB_PATH];
    struct stat status;
    return lab_join(path, class->folder, name) && stat(path, &status) == 0 &&
           S_ISDIR(status.st_mode);
}

static bool newer(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec > b->st_mtim.tv_sec
                                                  : a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

/* Whether there is a result, and none of the files has changed since. */
static bool graded(const struct lab_class *class, const char *name)
{
    char path[LAB_PATH], folder[LAB_PATH];
    struct stat result, file;
    if (!result_path(class, name, path) || stat(path, &result) != 0 ||
        !lab_join(folder, class->folder, name))
        return false;
    for (size_t i = 0; i < class->lab->file_count; i++)
        if (lab_join(path, folder, class->lab->files[i]) && stat(path, &file) == 0 &&
            newer(&file, &result))
            return false;
    return true;
}

/* In a child: grades one submission. */
static int grade_one(const struct lab_class *class, const char *name)
{
    char folder[LAB_PATH], path[LAB_PATH], why[LAB_SENTENCE];
    if (!lab_join(folder, class->folder, name) || !result_path(class, name, path))
        return CANNOT_GRADE;
    if (!lab_grade(class->lab, folder, class->result, why)) {
        fprintf(stderr, "vmm lab: %s is not graded: %s\n", name, why);
        return CANNOT_GRADE;
    }
    if (lab_write_report(path, lab_find_report("json"), class->lab, class->result))
        return 0;
    fprintf(stderr, "vmm lab: '%s' cannot be written: %s\n", path, strerror(errno));
    return CANNOT_GRADE;
}

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

/* Waits for one child; false if it could not grade. */
static bool reap(void)
{
    int status;
    pid_t child;
    while ((child = wait(&status)) < 0 && errno == EINTR)
        ;
    return child < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool grade_all(const struct lab_class *class, const struct names *names, int *done)
{
    unsigned running = 0, most = class->jobs ? class->jobs : processors();
    bool good = true;
    *done = 0;
    fflush(NULL);
    for (int i = 0; i < names->count; i++) {
        const char *name = names->entries[i]->d_name;
        if (!is_folder(class, name) || graded(class, name))
            continue;
        if (running == most) {
            good = reap() && good;
            running--;
        }
        pid_t child = fork();
        if (child == 0)
            _exit(grade_one(class, name));
        if (child < 0)
            return false;
        running++;
        ++*done;
    }
    while (running--)
        good = reap() && good;
    return good;
}

/* ---- tables ---- */

/* A field as RFC 4180 has it. */
static void csv_text(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

struct tally {
    double sum;
    unsigned passed, submissions;
};

static void write_row(FILE *to, const char *name, json_t *root, const struct lab_result *result,
                      struct tally *tally)
{
    json_t *tests = json_object_get(root, "tests");
    csv_text(to, name);
    fprintf(to, ",%g,%g", json_number_value(json_object_get(root, "score")),
            json_number_value(json_object_get(root, "max_score")));
    for (size_t i = 0; i < result->count; i++) {
        json_t *test = json_array_get(tests, i);
        double score = json_number_value(json_object_get(test, "score"));
        fprintf(to, ",%g", score);
        tally[i].sum += score;
        tally[i].passed += score >= result->tests[i].points;
        tally[i].submissions++;
    }
    fputs("\n", to);
}

static void write_scores(const struct lab_class *class, const struct names *names, FILE *to,
                         struct tally *tally)
{
    const struct lab_result *result = class->result;
    fputs("submission,score,max_score", to);
    for (size_t i = 0; i < result->count; i++) {
        fputc(',', to);
        csv_text(to, result->tests[i].name);
    }
    fputs("\n", to);
    for (int i = 0; i < names->count; i++) {
        char path[LAB_PATH];
        const char *name = names->entries[i]->d_name;
        json_t *root = is_folder(class, name) && result_path(class, name, path)
                           ? json_load_file(path, 0, NULL)
                           : NULL;
        if (root)
            write_row(to, name, root, result, tally);
        json_decref(root);
    }
}

static void write_statistics(FILE *to, const struct lab_result *result, const struct tally *tally)
{
    fputs("test,max_score,submissions,passed,mean\n", to);
    for (size_t i = 0; i < result->count; i++) {
        csv_text(to, result->tests[i].name);
        fprintf(to, ",%g,%u,%u,%.3g\n", result->tests[i].points, tally[i].submissions,
                tally[i].passed, tally[i].submissions ? tally[i].sum / tally[i].submissions : 0);
    }
}

static FILE *create(const struct lab_class *class, const char *name)
{
    char path[LAB_PATH];
    return lab_join(path, class->results, name) ? fopen(path, "we") : NULL;
}

static bool write_tables(const struct lab_class *class, const struct names *names)
{
    struct tally tally[LAB_MOST_TESTS] = {0};
    FILE *scores = create(class, "scores.csv"), *tests = create(class, "tests.csv");
    if (scores && tests) {
        write_scores(class, names, scores, tally);
        write_statistics(tests, class->result, tally);
    }
    bool good = scores && tests;
    if (scores)
        good = fclose(scores) == 0 && good;
    if (tests)
        good = fclose(tests) == 0 && good;
    return good;
}

int lab_grade_class(const struct lab_class *class)
{
    struct names names;
    int done, status = VMM_SUCCESS;
    names.count = scandir(class->folder, &names.entries, is_name, alphasort);
    if (names.count < 0) {
        fprintf(stderr, "vmm lab: '%s' cannot be read: %s\n", class->folder, strerror(errno));
        return VMM_FAILURE;
    }
    if (mkdir(class->results, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "vmm lab: '%s' cannot be made: %s\n", class->results, strerror(errno));
        status = VMM_FAILURE;
    } else {
        bool good = grade_all(class, &names, &done);
        if (!write_tables(class, &names)) {
            fprintf(stderr, "vmm lab: the tables cannot be written into '%s': %s\n", class->results,
                    strerror(errno));
            good = false;
        }
        printf("%d graded now; results, scores.csv and tests.csv are in %s\n", done,
               class->results);
        status = good ? VMM_SUCCESS : VMM_FAILURE;
    }
    for (int i = 0; i < names.count; i++)
        free(names.entries[i]);
    free(names.entries);
    return status;
}
