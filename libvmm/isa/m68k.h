/* What the MC68000's and the MC68020's descriptions share. */
#ifndef VMM_ISA_M68K_H
#define VMM_ISA_M68K_H

#include "isa/isa.h"

extern const struct isa_form m68000_forms[], m68020_forms[];

#endif
