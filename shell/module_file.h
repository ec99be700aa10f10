/* Modules of the VMM in a shared object: what `lab_modules` in it says (labs/lab.h). Unlike a lab's
 * they may leave work to the library's own. It is loaded into this process: only for files that
 * one trusts. */
#ifndef SHELL_MODULE_FILE_H
#define SHELL_MODULE_FILE_H

#include "labs/lab.h"

#include <stdbool.h>
#include <stddef.h>

struct module_file {
    void *handle;
    const struct lab_module *modules;
    const char *without; /* a slot that is left to the library; NULL: none */
};

/* Loads `path`. False with a sentence in `why`. */
bool module_file_load(struct module_file *file, const char *path, char *why, size_t room);
void module_file_free(struct module_file *file);

/* Fills the slots of a VM. VMM_OK, or what the library says to the first that it does not take. */
int module_file_install(const struct module_file *file, struct vmm_vm *vm, struct vmm_error *error);

#endif
