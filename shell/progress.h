/* A line on the terminal that shows how a long run gets on. */
#ifndef SHELL_PROGRESS_H
#define SHELL_PROGRESS_H

#include <vmm/vm.h>

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;         /* there is a terminal to show it on */
    bool drawn;         /* there is a line to be wiped away */
    double begin, last; /* host seconds */
    uint64_t before;    /* instructions, when it was drawn last */
    uint64_t slice;     /* instructions until it is due again */
};

/* Shown if standard error is a terminal and standard output is none: a line among those of the
 * guest's console would spoil both. */
void progress_begin(struct progress *progress);

/* Draws the line if it is time, and decides about the next slice. */
void progress_show(struct progress *progress, const struct vmm_vm *vm);

/* Wipes the line away. */
void progress_end(struct progress *progress);

#endif
