/* Files that the user names: read as a whole, with a sentence for everything that can go wrong. */
#ifndef SHELL_FILE_H
#define SHELL_FILE_H

#include <vmm/vm.h>

#include <stdbool.h>

/* Reads the regular file `path`, of at most 1 GB, into `file`; its name is `path` itself. Returns
 * whether it succeeded; if not, `error` has VMM_E_IO or VMM_E_MEMORY. The caller gives `file` to
 * vmm_file_free, after a failure too. */
bool vmm_file_read(const char *path, struct vmm_file *file, struct vmm_error *error);

/* Frees what vmm_file_read allocated; a zeroed file is allowed. */
void vmm_file_free(struct vmm_file *file);

#endif
