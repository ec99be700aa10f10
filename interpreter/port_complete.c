/* The second half of a port access: the device has answered, and the answer goes into the virtual
 * processor (SDM volume 2, IN, INS, OUTS, REP). Apart from the routine that asked, which may be
 * another than the library's own. */
#include "arch/x86/descriptor.h"
#include "arch/x86/walk.h"
#include "interpreter/port_operand.h"

/* `value` merged into the low `size` bytes of `old`. */
static uint32_t merge(uint32_t old, uint32_t value, unsigned size)
{
    return (old & ~port_low_bytes(UINT32_MAX, size)) | port_low_bytes(value, size);
}

/* Moves the index register by one element, and counts. Says whether iterations are left. */
static bool step(struct cpu_state *cpu, const struct x86_instruction *insn)
{
    uint32_t *index = &cpu->gpr[insn->kind == X86_KIND_INS ? X86_EDI : X86_ESI];
    uint32_t *count = &cpu->gpr[X86_ECX];

    *index = merge(*index, (cpu->eflags & X86_DF) ? *index - insn->width : *index + insn->width,
                   insn->address_size);
    if (!port_repeats(insn)) {
        return false;
    }
    *count = merge(*count, *count - 1, insn->address_size);
    return port_low_bytes(*count, insn->address_size) != 0;
}

struct outcome interpreter_port_complete(struct interpreter_context *context,
                                         const struct x86_instruction *insn,
                                         const struct port_access *access, uint32_t value)
{
    struct cpu_state *cpu = context->cpu;
    struct x86_event fault = {0};

    if (!access->string) {
        if (access->in) {
            cpu->gpr[X86_EAX] = merge(cpu->gpr[X86_EAX], value, access->size);
        }
        return routine_retire(context, insn);
    }
    if (access->in) {
        struct port_element element = port_find_element(cpu, insn);
        enum x86_status status =
            x86_write(cpu, context->memory, cpu->seg[element.sreg].base + element.offset, &value,
                      access->size, routine_user(cpu), &fault);
        if (status != X86_OK) {
            return routine_failed(status, &fault);
        }
    }
    if (step(cpu, insn)) { /* the instruction goes on, and so does a shadow that it is in */
        return (struct outcome){.kind = OUTCOME_DONE};
    }
    return routine_retire(context, insn);
}
