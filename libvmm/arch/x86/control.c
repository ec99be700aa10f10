/* Control and debug registers: the checks of MOV and LMSW, in one place for the hardware's own
 * microcode and for interpreter routines. See control.h. */
#include "control.h"

#include "descriptor.h"

#define CR0_DEFINED                                                                                \
    (X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM |    \
     X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)
/* A bit that stands for a feature that CPUID does not show is reserved. */
#define CR4_DEFINED (X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PGE | X86_CR4_PCE)

enum x86_status x86_load_cr0(struct cpu_state *cpu, uint32_t value, struct x86_event *fault)
{
    if (((value & X86_CR0_PG) && !(value & X86_CR0_PE)) ||
        ((value & X86_CR0_NW) && !(value & X86_CR0_CD))) {
        return x86_raise(fault, X86_GP, 0);
    }
    cpu->cr0 = (value & CR0_DEFINED) | X86_CR0_ET;
    return X86_OK;
}

enum x86_status x86_load_cr4(struct cpu_state *cpu, uint32_t value, struct x86_event *fault)
{
    if (value & ~(uint32_t)CR4_DEFINED) {
        return x86_raise(fault, X86_GP, 0);
    }
    cpu->cr4 = value;
    return X86_OK;
}

uint32_t x86_lmsw(const struct cpu_state *cpu, uint16_t value)
{
    const uint32_t settable = X86_CR0_MP | X86_CR0_EM | X86_CR0_TS;

    return (cpu->cr0 & ~settable) | (value & (settable | X86_CR0_PE));
}

enum x86_status x86_debug_register(const struct cpu_state *cpu, unsigned *number,
                                   struct x86_event *fault)
{
    if (*number == 4 || *number == 5) {
        if (cpu->cr4 & X86_CR4_DE) {
            return x86_raise_plain(fault, X86_UD);
        }
        *number += 2;
    }
    return X86_OK;
}

uint32_t x86_debug_value(unsigned number, uint32_t value)
{
    switch (number) {
    case 6: return (value & 0x0000e00fu) | 0xffff0ff0u;
    case 7: return (value & 0xffff2bffu) | 0x400;
    default: return value;
    }
}
