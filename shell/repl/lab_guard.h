/* A student's modules in a guest's slots, so that their crash is not the prompt's. */
#ifndef SHELL_REPL_LAB_GUARD_H
#define SHELL_REPL_LAB_GUARD_H

#include "labs/lab.h"

/* Fills the slot of `module` on `vm` as the grader does, each call of it guarded: one that crashes,
 * aborts, or does not return and is interrupted twice, stops the guest. `module` lives as long as
 * the VM. VMM_OK, or what the library says. */
int lab_guard_fill(struct vmm_vm *vm, const struct lab_module *module, struct vmm_error *error);

/* Whether it is one for a machine of several VMs, which lab_guard_fill leaves alone. */
bool lab_guard_of_machine(const struct lab_module *module);

/* What became of the last call that did not return ("crashed: Segmentation fault"), once; NULL: all
 * have returned. */
const char *lab_guard_told(void);

#endif
