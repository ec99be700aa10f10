/* The I/O permission bitmap. See port.h. The bitmap's offset lies at 0x66 of a 32-bit TSS; it ends
 * with the TSS's limit, and a bit that is set, or that is not there, refuses its port. */
#include "port.h"

#include "descriptor.h"
#include "walk.h"

#define TSS_BITMAP_OFFSET 0x66u

enum x86_status x86_port_allowed(const struct cpu_state *cpu, const struct x86_memory *memory,
                                 uint16_t port, unsigned size, struct x86_event *fault)
{
    unsigned type = x86_type(cpu->tr.attributes);
    bool virtual_8086 = (cpu->cr0 & X86_CR0_PE) && (cpu->eflags & X86_VM);
    uint32_t mask = (1u << size) - 1;
    enum x86_status status;
    uint16_t offset;
    uint16_t bits;

    if (!(cpu->cr0 & X86_CR0_PE) || (!virtual_8086 && cpu->cpl <= x86_iopl(cpu))) {
        return X86_OK;
    }
    if (!(cpu->tr.attributes & X86_SEG_PRESENT) ||
        (type != X86_TSS32_AVAILABLE && type != X86_TSS32_BUSY) ||
        cpu->tr.limit < TSS_BITMAP_OFFSET + 1) {
        return x86_raise(fault, X86_GP, 0);
    }
    status = x86_read(cpu, memory, cpu->tr.base + TSS_BITMAP_OFFSET, &offset, sizeof offset, false,
                      fault);
    if (status != X86_OK) {
        return status;
    }
    if ((uint32_t)offset + port / 8 + 1 > cpu->tr.limit) {
        return x86_raise(fault, X86_GP, 0);
    }
    status =
        x86_read(cpu, memory, cpu->tr.base + offset + port / 8, &bits, sizeof bits, false, fault);
    if (status != X86_OK) {
        return status;
    }
    return (bits >> (port & 7) & mask) ? x86_raise(fault, X86_GP, 0) : X86_OK;
}
