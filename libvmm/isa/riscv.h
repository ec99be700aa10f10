/* What the 32-bit and the 64-bit description share. */
#ifndef VMM_ISA_RISCV_H
#define VMM_ISA_RISCV_H

#include "isa/isa.h"

extern const struct isa_form riscv32_forms[], riscv64_forms[];

#endif
