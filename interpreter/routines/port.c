/* Ports (SDM volume 2, IN, OUT, INS, OUTS, REP): the routine checks IOPL and the permission bitmap
 * of the guest's TSS and finds out what is to be transferred; the device belongs to the allocator.
 * So an access has two halves: interpreter_run asks for it, and changes nothing, and
 * interpreter_port_complete carries the answer into the virtual processor (port_complete.c). */
#include "arch/x86/port.h"

#include "arch/x86/walk.h"
#include "interpreter/port_operand.h"

static struct outcome request(const struct port_access *access)
{
    return (struct outcome){.kind = OUTCOME_PORT, .port = *access};
}

struct outcome routine_port(struct interpreter_context *context, const struct x86_instruction *insn)
{
    const struct cpu_state *cpu = context->cpu;
    bool immediate = insn->kind == X86_KIND_IN_IMMEDIATE || insn->kind == X86_KIND_OUT_IMMEDIATE;
    struct port_access access = {.port = immediate ? (uint16_t)(insn->immediate & 0xffu)
                                                   : (uint16_t)cpu->gpr[X86_EDX],
                                 .size = insn->width,
                                 .in = port_is_input(insn)};
    struct x86_event fault = {0};
    enum x86_status status =
        x86_port_allowed(cpu, context->memory, access.port, access.size, &fault);

    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    if (!access.in) {
        access.value = port_low_bytes(cpu->gpr[X86_EAX], access.size);
    }
    return request(&access);
}

/* Reads what OUTS sends, or makes sure that what INS receives can be stored. */
static enum x86_status prepare(const struct interpreter_context *context,
                               const struct x86_instruction *insn, struct port_access *access,
                               struct x86_event *fault)
{
    const struct cpu_state *cpu = context->cpu;
    struct port_element element = port_find_element(cpu, insn);
    uint32_t linear = cpu->seg[element.sreg].base + element.offset;
    enum x86_status status =
        x86_segment_check(cpu, element.sreg, element.offset, access->size, access->in, fault);

    if (status != X86_OK) {
        return status;
    }
    return access->in
               ? x86_writable(cpu, context->memory, linear, access->size, routine_user(cpu), fault)
               : x86_read(cpu, context->memory, linear, &access->value, access->size,
                          routine_user(cpu), fault);
}

struct outcome routine_port_string(struct interpreter_context *context,
                                   const struct x86_instruction *insn)
{
    const struct cpu_state *cpu = context->cpu;
    uint32_t count = port_low_bytes(cpu->gpr[X86_ECX], insn->address_size);
    struct port_access access = {.port = (uint16_t)cpu->gpr[X86_EDX],
                                 .size = insn->width,
                                 .in = port_is_input(insn),
                                 .string = true,
                                 .repeat = port_repeats(insn)};
    struct x86_event fault = {0};
    enum x86_status status;

    if (access.repeat && count == 0) {
        return routine_retire(context, insn);
    }
    status = x86_port_allowed(cpu, context->memory, access.port, access.size, &fault);
    if (status == X86_OK) {
        status = prepare(context, insn, &access, &fault);
    }
    return status == X86_OK ? request(&access) : routine_failed(status, &fault);
}
