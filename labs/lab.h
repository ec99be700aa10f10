/* What a student's file gives to the virtual machine: which of its functions goes into which slot
 * of the VMM. The functions' interface is <vmm/module.h>. */
#ifndef LAB_H
#define LAB_H

#include <vmm/vmm.h>

struct lab_module {
    const char *slot; /* "interpreter.cli"; NULL behind the last */
    vmm_routine *routine;
};

extern const struct lab_module lab_modules[];

#endif
