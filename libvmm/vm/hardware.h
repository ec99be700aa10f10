/* A VM's configuration for techniques that have hardware to configure. */
#ifndef VMM_VM_HARDWARE_H
#define VMM_VM_HARDWARE_H

#include "dispatcher/technique.h"
#include "vmm/vm.h"

/* Reads `config`. Returns VMM_OK, or VMM_E_USAGE with `error` set. */
int hardware_options(const struct vmm_config *config, const struct technique *technique,
                     struct technique_options *options, struct vmm_error *error);

#endif
