/* Grading one submission for a lab. What a lab is, its folder says (labs/NN-name/lab.conf and the
 * first comment of each test); how one kind of lab is graded, a row of the table of kinds. The
 * student's file is built, each test is run with it in a process of its own, and what comes back
 * is compared with what this process computes by itself. */
#ifndef SHELL_LAB_H
#define SHELL_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    LAB_PATH = 4096,
    LAB_MOST_TESTS = 64,
    LAB_SENTENCE = 2048,
    LAB_MOST_FILES = 16,
    LAB_NAME = 128
};

/* Where everything is. */
struct lab_places {
    char labs[LAB_PATH];    /* the folder of labs */
    char lab[LAB_PATH];     /* this lab's, "NN-name" */
    char include[LAB_PATH]; /* of the library's headers */
    char built[LAB_PATH];   /* what was built for this lab: the runner */
    char guests[LAB_PATH];  /* kernels that tests may include; "" none */
    char tests[LAB_PATH];   /* the lab's own, or others in their place */
    char hidden[LAB_PATH];  /* more tests, that students do not have; "" none */
};

/* A lab, as lab.conf says. */
struct lab {
    long number;
    char name[256];     /* of its folder: "03-interpret" */
    char title[256];    /* the README's first line */
    char header[64];    /* the interface, a file of labs/ */
    char runner[32];    /* the kind: a row of the table in lab.c, and labs/grader/runner_KIND.c */
    char technique[16]; /* under which its guests run */
    char files[LAB_MOST_FILES][64]; /* what a student hands in; the first is compiled */
    size_t file_count;
    struct lab_places places;
};

/* One test and how it went. */
struct lab_test {
    char file[256], path[LAB_PATH], text[2048]; /* of the file, its beginning */
    char name[LAB_NAME], hint[512];             /* from the first comment of the file */
    bool hidden;
    uint8_t *guest; /* built; lab_free_tests frees it */
    size_t guest_size;
    double points, score;
    bool passed;
    char output[LAB_SENTENCE]; /* why not; for people */
};

struct lab_result {
    struct lab_test tests[LAB_MOST_TESTS];
    size_t count;
    char output[8192]; /* of the build: warnings, errors */
    bool built;        /* and accepted */
};

/* One grading under way. */
struct lab_job {
    const struct lab *lab;
    const char *submission; /* the student's folder */
    char work[LAB_PATH];    /* for what is built; made and removed by lab_grade */
    struct lab_result *result;
    char why[LAB_SENTENCE]; /* if this machine cannot grade: a sentence */
};

/* How a kind of lab is graded. */
struct lab_kind {
    const char *name;
    /* Builds what was handed in, into `job->work`; false with `result->output` set if it is not
     * accepted. */
    bool (*build)(struct lab_job *job);
    /* Makes the test ready before any submission is seen: its guest. NULL: there is nothing to do.
     * False with `why`: this machine cannot. */
    bool (*prepare)(const struct lab *lab, struct lab_test *test, char why[LAB_SENTENCE]);
    /* Runs a test and scores it. False with `job->why`: this machine cannot. */
    bool (*run)(struct lab_job *job, struct lab_test *test);
};

extern const struct lab_kind lab_kind_guest, lab_kind_formal, lab_kind_audit, lab_kind_translate,
    lab_kind_kernel;

/* Reads lab.conf. False with `why` set. `lab->places` is given. */
bool lab_read(struct lab *lab, char why[LAB_SENTENCE]);

/* Reads the value behind `key` ("name: ") in `text`, to the end of the line or comment. */
void lab_field(const char *text, const char *key, char *value, size_t room);

/* Reads the list of tests, in the order of their names. False: there are none. */
bool lab_find_tests(const struct lab *lab, struct lab_result *result);

/* Makes the tests ready. False with `why`: this machine cannot grade. */
bool lab_prepare(const struct lab *lab, struct lab_result *result, char why[LAB_SENTENCE]);
void lab_free_tests(struct lab_result *result);

/* Builds what is in the folder `submission` and runs every test; fills `result`, whose tests are
 * prepared. False: this machine cannot grade, `why` has the sentence. */
bool lab_grade(const struct lab *lab, const char *submission, struct lab_result *result,
               char why[LAB_SENTENCE]);

/* Whether the file, compiled, calls none of these functions: the dynamic loader's, and the
 * library's but those whose names begin with a word of `allowed` (NULL: none). False with
 * `result->output` set. */
bool lab_accept(struct lab_job *job, const char *allowed);

/* Runs the lab's runner on `input` in the sandbox; what comes behind its hello is put into
 * `evidence`
 * (`room` bytes), its length into `child->count`. False with `job->why` set: it cannot be run here.
 */
struct lab_child;
bool lab_run_runner(struct lab_job *job, const char *argument, const void *input, size_t size,
                    uint64_t nonce, unsigned seconds, void *evidence, size_t room,
                    struct lab_child *child);

/* Compiles the student's file into module.so in `folder`, with the compiler's messages in `output`.
 * Nothing is looked at in it yet. */
bool lab_compile(const struct lab *lab, const char *submission, const char *folder, char *output,
                 size_t room);

/* Compiles the student's file as a part of a kernel and links it with the rest of it, which is in
 * `places->built`/give, into kernel.elf in `folder`. */
bool lab_compile_kernel(const struct lab *lab, const char *submission, const char *folder,
                        char *output, size_t room);

/* Builds a test's guest, a flat binary; what it includes is in the lab's own folder of tests, or in
 * `places->guests`. */
bool lab_assemble(const struct lab *lab, const char *source, const char *out,
                  char why[LAB_SENTENCE]);

/* The same for a guest that a student wrote, in `folder`, confined; guest.inc is the starter's. */
bool lab_assemble_confined(const struct lab *lab, const char *folder, const char *source,
                           const char *out, char why[LAB_SENTENCE]);

/* Copies what is handed in into `folder`. False with `output` set: something is missing. */
bool lab_collect(const struct lab *lab, const char *submission, const char *folder, char *output,
                 size_t room);

/* Copies one file from folder to folder, readable for everybody. */
bool lab_copy_file(const char *from_folder, const char *to_folder, const char *name);

/* "FOLDER/NAME"; false if it does not fit. */
bool lab_join(char path[LAB_PATH], const char *folder, const char *name);

/* Makes an empty folder for temporary files, removes one with all that is in it. */
bool lab_make_folder(char path[LAB_PATH]);
void lab_remove_folder(const char *path);

#endif
