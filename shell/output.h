/* Files that a command writes: opened before the guest runs, so that what cannot be written is told
 * at once; closed with a verdict, as a full disk shows only there. */
#ifndef SHELL_OUTPUT_H
#define SHELL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct output {
    FILE *file;
    const char *path; /* for sentences */
    bool sparse;      /* pages of zeros become holes */
    int error;        /* errno of the first failure; 0: none */
};

/* Creates or empties the file at `path`. False if that fails: `error` is set. */
bool output_open(struct output *output, const char *path);

/* Appends, as a vmm_write: `context` is a struct output. False from the first failure on. */
bool output_write(void *context, const char *bytes, size_t count);

/* Flushes and closes; an output that is not open is allowed. False if not all of it was written:
 * `error` says why. */
bool output_close(struct output *output);

#endif
