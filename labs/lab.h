/* What a student's file gives to the virtual machine: which of its functions goes into which slot
 * of the VMM. The functions' interface is <vmm/module.h>. */
#ifndef LAB_H
#define LAB_H

#include <vmm/vmm.h>

/* One slot, and the function for it, of the type that the slot has. */
struct lab_module {
    const char *slot; /* "interpreter.cli"; NULL behind the last */
    union {
        vmm_routine *routine;       /* interpreter. and an instruction */
        vmm_decide *decide;         /* dispatcher.decision */
        vmm_deliver *deliver;       /* dispatcher.delivery */
        vmm_nest *nest;             /* dispatcher.nested */
        vmm_shadow_ask *ask;        /* allocator.shadow, with `keep` */
        vmm_allow_port *allow_port; /* allocator.ports */
    };
    vmm_shadow_keep *keep;
};

extern const struct lab_module lab_modules[];

#endif
