/* What both halves of a port access need of IN, OUT, INS and OUTS (SDM volume 2): the routine that
 * asks for it (routines/port.c), and the completion (port_complete.c). */
#ifndef VMM_INTERPRETER_PORT_OPERAND_H
#define VMM_INTERPRETER_PORT_OPERAND_H

#include "interpreter/routine.h"

static inline uint32_t port_low_bytes(uint32_t value, unsigned size)
{
    return size == 4 ? value : value & ((1u << size * 8) - 1);
}

static inline bool port_is_input(const struct x86_instruction *insn)
{
    return insn->kind == X86_KIND_IN_IMMEDIATE || insn->kind == X86_KIND_IN_DX ||
           insn->kind == X86_KIND_INS;
}

static inline bool port_repeats(const struct x86_instruction *insn)
{
    return insn->flags & (X86_INSN_REP | X86_INSN_REPNE);
}

/* Where the element of a string instruction lies: ES:EDI for INS, which no prefix overrides, and
 * DS:ESI or another segment for OUTS. */
struct port_element {
    enum x86_sreg sreg;
    uint32_t offset;
};

static inline struct port_element port_find_element(const struct cpu_state *cpu,
                                                    const struct x86_instruction *insn)
{
    uint32_t mask = insn->address_size == 4 ? UINT32_MAX : 0xffffu;

    if (insn->kind == X86_KIND_INS) {
        return (struct port_element){X86_ES, cpu->gpr[X86_EDI] & mask};
    }
    return (struct port_element){insn->segment_override < X86_SREGS ? insn->segment_override
                                                                    : X86_DS,
                                 cpu->gpr[X86_ESI] & mask};
}

#endif
