/* The statistics of a run: how it ended, what executed its instructions, and what trapped how often
 * at what cost. */
#ifndef SHELL_STATISTICS_H
#define SHELL_STATISTICS_H

#include "shell/format.h"

#include <vmm/vm.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Prints the statistics of `vm`: as JSON one document on one line. Returns whether all of it was
 * written. */
bool statistics_print(FILE *to, const struct vmm_vm *vm, uint64_t digest, enum format format);

#endif
