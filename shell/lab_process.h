/* Processes of the grader: tools that it runs, and the ones that run what students wrote. */
#ifndef SHELL_LAB_PROCESS_H
#define SHELL_LAB_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Words as execvp wants them. */
#define LAB_WORDS(...) ((char *[]){__VA_ARGS__, NULL})

/* Runs a program with standard output and error going to `output` (cut at `room`), in at most
 * `seconds`. Returns its wait status, -1 if it could not be run. */
int lab_run(char *const arguments[], char *output, size_t room, int seconds);

/* The same in `folder` on what a student handed in: with limits on memory, time and files, and as
 * nobody if this process is root; then `folder` is given to nobody. */
int lab_run_confined(char *const arguments[], const char *folder, char *output, size_t room,
                     int seconds);

/* A run of untrusted code: a file comes in at descriptor 0, evidence goes out at 3. */
struct lab_child {
    char *const *arguments;
    const char *folder; /* where it runs: all that it may see */
    const char *input;  /* the file's path */
    void *evidence;     /* filled */
    size_t room;        /* bytes of evidence that there may be; with more it is killed */
    size_t count;       /* bytes that came */
    int status;         /* its wait status, -1: it could not be started */
    bool late, flooded; /* why it was killed */
};

/* Runs `child` to its end. */
void lab_run_child(struct lab_child *child);

/* In words why it ended, for a test that failed; `seconds` is the limit that it had. */
const char *lab_ending(const struct lab_child *child, unsigned seconds, char *text, size_t room);

#endif
