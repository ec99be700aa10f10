/* Ports (SDM volume 2, IN, OUT, INS, OUTS, REP): the routine checks IOPL and the permission bitmap
 * of the guest's TSS and finds out what is to be transferred; the device belongs to the allocator.
 * So an access has two halves: interpreter_run asks for it, and changes nothing, and
 * interpreter_port_complete carries the answer into the virtual processor. */
#include "arch/x86/port.h"

#include "arch/x86/walk.h"
#include "interpreter/routine.h"

static uint32_t low_bytes(uint32_t value, unsigned size)
{
    return size == 4 ? value : value & ((1u << size * 8) - 1);
}

/* `value` merged into the low `size` bytes of `old`. */
static uint32_t merge(uint32_t old, uint32_t value, unsigned size)
{
    return (old & ~low_bytes(UINT32_MAX, size)) | low_bytes(value, size);
}

static bool is_input(const struct x86_instruction *insn)
{
    return insn->kind == X86_KIND_IN_IMMEDIATE || insn->kind == X86_KIND_IN_DX ||
           insn->kind == X86_KIND_INS;
}

static bool repeats(const struct x86_instruction *insn)
{
    return insn->flags & (X86_INSN_REP | X86_INSN_REPNE);
}

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
                                 .in = is_input(insn)};
    struct x86_event fault = {0};
    enum x86_status status =
        x86_port_allowed(cpu, context->memory, access.port, access.size, &fault);

    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    if (!access.in) {
        access.value = low_bytes(cpu->gpr[X86_EAX], access.size);
    }
    return request(&access);
}

/* Where the element of a string instruction lies: ES:EDI for INS, which no prefix overrides, and
 * DS:ESI or another segment for OUTS. */
struct element {
    enum x86_sreg sreg;
    uint32_t offset;
};

static struct element find_element(const struct cpu_state *cpu, const struct x86_instruction *insn)
{
    uint32_t mask = insn->address_size == 4 ? UINT32_MAX : 0xffffu;

    if (insn->kind == X86_KIND_INS) {
        return (struct element){X86_ES, cpu->gpr[X86_EDI] & mask};
    }
    return (struct element){insn->segment_override < X86_SREGS ? insn->segment_override : X86_DS,
                            cpu->gpr[X86_ESI] & mask};
}

/* Reads what OUTS sends, or makes sure that what INS receives can be stored. */
static enum x86_status prepare(const struct interpreter_context *context,
                               const struct x86_instruction *insn, struct port_access *access,
                               struct x86_event *fault)
{
    const struct cpu_state *cpu = context->cpu;
    struct element element = find_element(cpu, insn);
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
    uint32_t count = low_bytes(cpu->gpr[X86_ECX], insn->address_size);
    struct port_access access = {.port = (uint16_t)cpu->gpr[X86_EDX],
                                 .size = insn->width,
                                 .in = is_input(insn),
                                 .string = true,
                                 .repeat = repeats(insn)};
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

/* Moves the index register by one element, and counts. Says whether iterations are left. */
static bool step(struct cpu_state *cpu, const struct x86_instruction *insn)
{
    uint32_t *index = &cpu->gpr[insn->kind == X86_KIND_INS ? X86_EDI : X86_ESI];
    uint32_t *count = &cpu->gpr[X86_ECX];

    *index = merge(*index, (cpu->eflags & X86_DF) ? *index - insn->width : *index + insn->width,
                   insn->address_size);
    if (!repeats(insn)) {
        return false;
    }
    *count = merge(*count, *count - 1, insn->address_size);
    return low_bytes(*count, insn->address_size) != 0;
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
        struct element element = find_element(cpu, insn);
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
