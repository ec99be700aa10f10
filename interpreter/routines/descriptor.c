/* Segment registers, descriptor inspection and far transfers (SDM volume 2, MOV, PUSH, POP, LDS,
 * LAR, LSL, VERR, ARPL, CALL, JMP, RET). Selectors, privilege levels and descriptors are the
 * guest's: the checks are those of arch/x86 at the virtual CPL, in the guest's own tables. */
#include "arch/x86/farcall.h"
#include "arch/x86/stack.h"
#include "interpreter/routine.h"

struct outcome routine_mov_from_sreg(struct interpreter_context *context,
                                     const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    enum x86_status status =
        routine_write_rm(context, insn, context->cpu->seg[insn->sreg].selector, &fault);

    return status == X86_OK ? routine_retire(context, insn) : routine_failed(status, &fault);
}

/* A load of SS by MOV or POP holds interrupts back, so that ESP can follow. */
static struct outcome loaded(struct interpreter_context *context,
                             const struct x86_instruction *insn)
{
    return insn->sreg == X86_SS ? routine_retire_shadowed(context, insn)
                                : routine_retire(context, insn);
}

struct outcome routine_mov_to_sreg(struct interpreter_context *context,
                                   const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    uint16_t selector = 0;
    enum x86_status status = routine_read_rm16(context, insn, &selector, &fault);

    if (status == X86_OK) {
        status = x86_load_segment(context->cpu, context->memory, insn->sreg, selector, &fault);
    }
    return status == X86_OK ? loaded(context, insn) : routine_failed(status, &fault);
}

struct outcome routine_push_sreg(struct interpreter_context *context,
                                 const struct x86_instruction *insn)
{
    struct cpu_state *cpu = context->cpu;
    struct x86_stack stack = x86_current_stack(cpu);
    uint32_t value = cpu->seg[insn->sreg].selector;
    struct x86_event fault = {0};
    enum x86_status status =
        x86_push(cpu, context->memory, &stack, &value, 1, insn->operand_size, &fault);

    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    cpu->gpr[X86_ESP] = stack.esp;
    return routine_retire(context, insn);
}

/* The stack pointer moves in the width of the stack that was popped from. */
struct outcome routine_pop_sreg(struct interpreter_context *context,
                                const struct x86_instruction *insn)
{
    struct cpu_state *cpu = context->cpu;
    struct x86_stack stack = x86_current_stack(cpu);
    struct x86_event fault = {0};
    uint32_t value = 0;
    enum x86_status status =
        x86_stack_read(cpu, context->memory, &stack, 0, &value, 1, insn->operand_size, &fault);

    if (status == X86_OK) {
        status = x86_load_segment(cpu, context->memory, insn->sreg, (uint16_t)value, &fault);
    }
    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    cpu->gpr[X86_ESP] = x86_stack_move(&stack.segment, stack.esp, insn->operand_size);
    return loaded(context, insn);
}

/* A far pointer in memory: the offset by operand size, then the selector. */
static enum x86_status read_far_pointer(const struct interpreter_context *context,
                                        const struct x86_instruction *insn, uint32_t *offset,
                                        uint16_t *selector, struct x86_event *fault)
{
    enum x86_status status;

    *offset = 0;
    status = routine_read_memory(context, insn, 0, offset, insn->operand_size, fault);
    return status == X86_OK ? routine_read_memory(context, insn, insn->operand_size, selector,
                                                  sizeof *selector, fault)
                            : status;
}

struct outcome routine_load_far_pointer(struct interpreter_context *context,
                                        const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    uint16_t selector = 0;
    uint32_t offset;
    enum x86_status status = read_far_pointer(context, insn, &offset, &selector, &fault);

    if (status == X86_OK) {
        status = x86_load_segment(context->cpu, context->memory, insn->sreg, selector, &fault);
    }
    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    routine_write_register(context->cpu, insn, insn->reg, offset);
    return routine_retire(context, insn);
}

static void set_zf(struct cpu_state *cpu, bool value)
{
    cpu->eflags = (cpu->eflags & ~(uint32_t)X86_ZF) | (value ? X86_ZF : 0);
}

/* The selector operand of LAR, LSL, VERR and VERW, which do not exist outside protected mode. */
static enum x86_status inspected_selector(const struct interpreter_context *context,
                                          const struct x86_instruction *insn, uint16_t *selector,
                                          struct x86_event *fault)
{
    return x86_protected(context->cpu) ? routine_read_rm16(context, insn, selector, fault)
                                       : x86_raise_plain(fault, X86_UD);
}

struct outcome routine_lar_lsl(struct interpreter_context *context,
                               const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    uint16_t selector = 0;
    uint32_t value = 0;
    bool valid = false;
    enum x86_status status = inspected_selector(context, insn, &selector, &fault);

    if (status == X86_OK) {
        status = (insn->kind == X86_KIND_LAR ? x86_lar : x86_lsl)(context->cpu, context->memory,
                                                                  selector, &value, &valid, &fault);
    }
    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    if (valid) {
        routine_write_register(context->cpu, insn, insn->reg, value);
    }
    set_zf(context->cpu, valid);
    return routine_retire(context, insn);
}

struct outcome routine_verify(struct interpreter_context *context,
                              const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    uint16_t selector = 0;
    bool valid = false;
    enum x86_status status = inspected_selector(context, insn, &selector, &fault);

    if (status == X86_OK) {
        status = x86_verify(context->cpu, context->memory, selector, insn->kind == X86_KIND_VERW,
                            &valid, &fault);
    }
    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    set_zf(context->cpu, valid);
    return routine_retire(context, insn);
}

/* ARPL raises the operand's RPL to that of the register; it writes 16 bits whatever the prefix. */
struct outcome routine_arpl(struct interpreter_context *context, const struct x86_instruction *insn)
{
    struct cpu_state *cpu = context->cpu;
    uint16_t rpl = cpu->gpr[insn->reg] & X86_SELECTOR_RPL;
    struct x86_event fault = {0};
    uint16_t selector = 0;
    enum x86_status status = inspected_selector(context, insn, &selector, &fault);
    bool raised = (selector & X86_SELECTOR_RPL) < rpl;

    if (status == X86_OK && raised) {
        selector = (uint16_t)((selector & ~X86_SELECTOR_RPL) | rpl);
        if (insn->flags & X86_INSN_MEMORY) {
            status = routine_write_memory(context, insn, &selector, sizeof selector, &fault);
        } else {
            cpu->gpr[insn->rm] = (cpu->gpr[insn->rm] & 0xffff0000u) | selector;
        }
    }
    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    set_zf(cpu, raised);
    return routine_retire(context, insn);
}

/* The end of a far transfer. RF ends with the instruction, unless it is the new task's. */
static struct outcome transferred(struct interpreter_context *context,
                                  const struct cpu_state *before, enum x86_status status,
                                  const struct x86_event *fault)
{
    struct outcome outcome = routine_transferred(context, before, status, fault);

    if (status == X86_OK && !outcome.task_switched) {
        context->cpu->eflags &= ~(uint32_t)X86_RF;
    }
    return outcome;
}

static struct outcome transfer(struct interpreter_context *context,
                               const struct x86_instruction *insn, bool call, uint16_t selector,
                               uint32_t offset)
{
    struct cpu_state before = *context->cpu;
    struct x86_event fault = {0};
    enum x86_status status =
        (call ? x86_far_call : x86_far_jump)(context->cpu, context->memory, selector, offset,
                                             insn->operand_size == 4, insn->length, &fault);

    return transferred(context, &before, status, &fault);
}

struct outcome routine_far_direct(struct interpreter_context *context,
                                  const struct x86_instruction *insn)
{
    return transfer(context, insn, insn->kind == X86_KIND_CALL_FAR, insn->immediate2,
                    insn->immediate);
}

struct outcome routine_far_indirect(struct interpreter_context *context,
                                    const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    uint16_t selector = 0;
    uint32_t offset;
    enum x86_status status = read_far_pointer(context, insn, &offset, &selector, &fault);

    return status == X86_OK
               ? transfer(context, insn, insn->kind == X86_KIND_CALL_FAR_INDIRECT, selector, offset)
               : routine_failed(status, &fault);
}

struct outcome routine_far_return(struct interpreter_context *context,
                                  const struct x86_instruction *insn)
{
    struct cpu_state before = *context->cpu;
    struct x86_event fault = {0};
    enum x86_status status = x86_far_return(context->cpu, context->memory, insn->operand_size == 4,
                                            (uint16_t)insn->immediate, &fault);

    return transferred(context, &before, status, &fault);
}
