/* Replaced modules of one VM: what its slots call (module.c), and how an interpreter routine is
 * called (module_call.c). */
#ifndef VMM_VM_MODULE_H
#define VMM_VM_MODULE_H

#include "interpreter/interpreter.h"
#include "vmm/module.h"

struct modules {
    struct module_routine {
        vmm_routine *call;
        void *context;
    } routine[X86_KINDS];
    vmm_decide *decide;
    vmm_allow_port *allow;
    void *decide_context, *allow_context;
    const struct dispatcher *dispatcher;
    char why[128]; /* how a routine misbehaved */
};

/* The slot's name, "interpreter.cli"; NULL if no instruction of this kind has one. */
const char *module_routine_name(unsigned kind);

/* Stands in the interpreter's table for a routine that was replaced. */
routine module_call;

#endif
