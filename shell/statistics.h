/* The statistics of a run: how it ended, what executed its instructions, and what trapped how often
 * at what cost. */
#ifndef SHELL_STATISTICS_H
#define SHELL_STATISTICS_H

#include "shell/format.h"

#include <vmm/vm.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Prints the statistics of the `count` VMs `vms`. JSON is one document on one line: that of the
 * first, the others' under "beside" if there are any. CSV has a column more then, the VM's number.
 * Returns whether all of it was written. */
bool statistics_print(FILE *to, const struct vmm_vm *const *vms, size_t count, enum format format);

#endif
