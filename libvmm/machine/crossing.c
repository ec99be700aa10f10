/* Stepping to the end of a page. See crossing.h. */
#include "crossing.h"

bool crossing_whole(struct cpu *cpu, uint32_t pc)
{
    uint8_t bytes[X86_INSN_MAX];
    struct x86_instruction insn;
    unsigned left = X86_PAGE_SIZE - (pc & ~X86_PAGE_MASK);
    unsigned room = cpu_fetch(cpu, pc, bytes, left < sizeof bytes ? left : sizeof bytes);
    return room && x86_decode(bytes, room, cpu->state.seg[X86_CS].attributes & X86_SEG_DB, &insn);
}

bool crossing_met(struct cpu *cpu, const struct x86_event *event)
{
    enum { FAULT_WRITE = 1 << 1 }; /* of the error code */
    uint32_t pc = cpu->state.seg[X86_CS].base + cpu->state.eip;
    if (cpu->step != STEP_NO || event->vector != X86_PAGE || (event->error_code & FAULT_WRITE) ||
        event->cr2 != (pc | ~X86_PAGE_MASK) + 1 || !crossing_whole(cpu, pc))
        return false;
    cpu->crossing = true;
    cpu->crossing_pc = pc;
    return true;
}

bool crossing_goes_on(struct cpu *cpu)
{
    uint32_t pc = cpu->state.seg[X86_CS].base + cpu->state.eip;
    if (!cpu->crossing)
        return false;
    cpu->crossing =
        pc - cpu->crossing_pc <= X86_INSN_MAX && !((pc ^ cpu->crossing_pc) & X86_PAGE_MASK);
    cpu->crossing_pc = pc;
    return cpu->crossing;
}
