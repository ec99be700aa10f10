/* Grading one submission for a lab: the student's file is built, each test's guest is run with it
 * in a process of its own and with the library's own modules in this one, and the two are compared
 * instruction by instruction. */
#ifndef SHELL_LAB_H
#define SHELL_LAB_H

#include <stdbool.h>
#include <stddef.h>

enum { LAB_PATH = 4096, LAB_MOST_TESTS = 64, LAB_SENTENCE = 2048 };

/* Where everything is. */
struct lab_places {
    char labs[LAB_PATH];    /* the folder of labs */
    char lab[LAB_PATH];     /* this lab's, "NN-name" */
    char include[LAB_PATH]; /* of the library's headers */
    char library[LAB_PATH]; /* of libvmm.so */
    char source[LAB_PATH];  /* the student's file */
    char tests[LAB_PATH];   /* the guests */
    char work[LAB_PATH];    /* for what is built */
};

/* One test and how it went. */
struct lab_test {
    char file[256], name[128], modules[256], hint[512]; /* from the guest's first comment */
    double points, score;
    bool passed;
    char output[LAB_SENTENCE]; /* why not; for people */
};

struct lab_result {
    struct lab_test tests[LAB_MOST_TESTS];
    size_t count;
    char output[8192]; /* of the build: warnings, errors */
    bool built;
};

/* Reads the list of tests in `places->tests`, in the order of their names. False: there are none.
 */
bool lab_find_tests(const struct lab_places *places, struct lab_result *result);

/* Builds and runs; fills `result`. False: this machine cannot grade, `why` has the sentence. */
bool lab_grade(const struct lab_places *places, struct lab_result *result, char why[LAB_SENTENCE]);

/* Runs a program with standard output and error going to `output` (cut at `room`), in at most
 * `seconds`. Returns its wait status, -1 if it could not be run. */
int lab_run(char *const arguments[], char *output, size_t room, int seconds);

#endif
