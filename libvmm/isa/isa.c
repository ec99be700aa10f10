/* The list of instruction sets that the classifier knows: one line a set, everything else is in the
 * set's own file. */
#include "isa/isa.h"

#include <string.h>

const struct isa *const isa_all[] = {
    &isa_x86_32, &isa_x86_64, &isa_armv7,  &isa_aarch64, &isa_riscv32, &isa_riscv64,
    &isa_mips32, &isa_ppc32,  &isa_m68000, &isa_m68020,  &isa_s390x,   &isa_x86_32_svm,
};
const size_t isa_count = sizeof isa_all / sizeof *isa_all;

const struct isa *isa_find(const char *name)
{
    for (size_t i = 0; i < isa_count; i++)
        if (strcmp(isa_all[i]->name, name) == 0)
            return isa_all[i];
    return NULL;
}
