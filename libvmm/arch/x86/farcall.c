/* JMP, CALL and RET between segments. What the selector names decides: a code segment, a call gate,
 * a task gate or a TSS (SDM volume 3, section 5.8; volume 2, CALL and JMP). See farcall.h. */
#include "farcall.h"

#include "descriptor.h"
#include "iret.h"
#include "stack.h"
#include "task.h"
#include "walk.h"

#define GATE_PARAMETERS 31u

/* One far JMP or CALL. */
struct transfer {
    struct cpu_state *cpu;
    const struct x86_memory *memory;
    struct x86_event *fault;
    bool call;
    uint16_t selector;
    uint32_t offset;
    unsigned size; /* of what CALL pushes: 2 or 4 bytes */
    uint32_t return_eip;
    struct x86_descriptor descriptor; /* that `selector` names */
    uint32_t linear;
};

static enum x86_status raise(const struct transfer *transfer, uint8_t vector, uint16_t selector)
{
    return x86_raise(transfer->fault, vector, selector & ~X86_SELECTOR_RPL);
}

/* Goes to a checked code segment at `eip` in ring `cpl`; CALL pushes the return address on `stack`
 * after `count` words that are there already. */
static enum x86_status enter(struct transfer *transfer, struct x86_descriptor code, uint32_t linear,
                             uint16_t selector, uint32_t eip, unsigned cpl, struct x86_stack *stack,
                             uint32_t *words, unsigned count)
{
    struct cpu_state *cpu = transfer->cpu;
    enum x86_status status;

    if (eip > x86_descriptor_limit(code)) {
        return x86_raise(transfer->fault, X86_GP, 0);
    }
    status = x86_descriptor_mark(cpu, transfer->memory, linear, &code, transfer->fault);
    if (status == X86_OK && transfer->call) {
        words[count++] = cpu->seg[X86_CS].selector;
        words[count++] = transfer->return_eip;
        status =
            x86_push(cpu, transfer->memory, stack, words, count, transfer->size, transfer->fault);
    }
    if (status != X86_OK) {
        return status;
    }
    cpu->seg[X86_SS] = stack->segment;
    cpu->gpr[X86_ESP] = stack->esp;
    cpu->seg[X86_CS] =
        x86_descriptor_segment((uint16_t)((selector & ~X86_SELECTOR_RPL) | cpl), code);
    cpu->eip = eip;
    cpu->cpl = (uint8_t)cpl;
    return X86_OK;
}

/* Directly to a code segment: to the same ring, or to conforming code of an inner one. */
static enum x86_status to_code(struct transfer *transfer)
{
    const struct cpu_state *cpu = transfer->cpu;
    uint32_t high = transfer->descriptor.high;
    unsigned dpl = X86_SEG_DPL(high);
    bool allowed = (high & X86_SEG_DC)
                       ? dpl <= cpu->cpl
                       : dpl == cpu->cpl && (transfer->selector & X86_SELECTOR_RPL) <= cpu->cpl;
    struct x86_stack stack = x86_current_stack(cpu);
    uint32_t words[2];

    if (!allowed) {
        return raise(transfer, X86_GP, transfer->selector);
    }
    if (!(high & X86_SEG_PRESENT)) {
        return raise(transfer, X86_NP, transfer->selector);
    }
    return enter(transfer, transfer->descriptor, transfer->linear, transfer->selector,
                 transfer->offset, cpu->cpl, &stack, words, 0);
}

/* What gates and TSSs demand: DPL >= CPL and RPL. */
static enum x86_status check_privilege(const struct transfer *transfer)
{
    unsigned dpl = X86_SEG_DPL(transfer->descriptor.high);

    return dpl < transfer->cpu->cpl || dpl < (transfer->selector & X86_SELECTOR_RPL)
               ? raise(transfer, X86_GP, transfer->selector)
               : X86_OK;
}

static enum x86_status check_gate(const struct transfer *transfer)
{
    enum x86_status status = check_privilege(transfer);

    if (status == X86_OK && !(transfer->descriptor.high & X86_SEG_PRESENT)) {
        return raise(transfer, X86_NP, transfer->selector);
    }
    return status;
}

/* The code segment behind a call gate. JMP does not change the ring. */
static enum x86_status fetch_gate_code(const struct transfer *transfer, uint16_t selector,
                                       struct x86_descriptor *code, uint32_t *linear)
{
    const struct cpu_state *cpu = transfer->cpu;
    enum x86_status status;
    bool conforming;
    unsigned dpl;

    if (x86_selector_null(selector)) {
        return x86_raise(transfer->fault, X86_GP, 0);
    }
    status = x86_descriptor_fetch(cpu, transfer->memory, selector, code, linear, transfer->fault);
    if (status != X86_OK) {
        return status;
    }
    conforming = code->high & X86_SEG_DC;
    dpl = X86_SEG_DPL(code->high);
    if (!x86_is_code(code->high) || dpl > cpu->cpl ||
        (!transfer->call && !conforming && dpl != cpu->cpl)) {
        return raise(transfer, X86_GP, selector);
    }
    return (code->high & X86_SEG_PRESENT) ? X86_OK : raise(transfer, X86_NP, selector);
}

/* To a more privileged ring: the stack changes, and the gate's parameters are copied to it. */
static enum x86_status switch_stack(struct transfer *transfer, unsigned cpl,
                                    struct x86_stack *stack, uint32_t *words, unsigned *count)
{
    struct cpu_state *cpu = transfer->cpu;
    unsigned parameters = transfer->descriptor.high & GATE_PARAMETERS;
    struct x86_stack outer = x86_current_stack(cpu);
    uint32_t copied[GATE_PARAMETERS];
    enum x86_status status = x86_inner_stack(cpu, transfer->memory, cpl, stack, transfer->fault);

    if (status == X86_OK) {
        status = x86_stack_read(cpu, transfer->memory, &outer, 0, copied, parameters,
                                transfer->size, transfer->fault);
    }
    words[0] = cpu->seg[X86_SS].selector;
    words[1] = cpu->gpr[X86_ESP];
    for (unsigned i = 0; status == X86_OK && i < parameters; i++) {
        words[2 + i] = copied[parameters - 1 - i];
    }
    *count = 2 + parameters;
    return status;
}

static enum x86_status to_call_gate(struct transfer *transfer)
{
    struct x86_descriptor gate = transfer->descriptor;
    bool gate32 = x86_type(gate.high) == X86_CALL_GATE32;
    uint16_t selector = (uint16_t)(gate.low >> 16);
    uint32_t eip = (gate.low & 0xffffu) | (gate32 ? gate.high & 0xffff0000u : 0);
    struct x86_stack stack = x86_current_stack(transfer->cpu);
    uint32_t words[GATE_PARAMETERS + 4];
    unsigned count = 0, cpl = transfer->cpu->cpl;
    struct x86_descriptor code;
    uint32_t linear;
    enum x86_status status = check_gate(transfer);

    transfer->size = gate32 ? 4 : 2;
    if (status == X86_OK) {
        status = fetch_gate_code(transfer, selector, &code, &linear);
    }
    if (status != X86_OK) {
        return status;
    }
    if (!(code.high & X86_SEG_DC) && X86_SEG_DPL(code.high) < cpl) {
        cpl = X86_SEG_DPL(code.high);
        status = switch_stack(transfer, cpl, &stack, words, &count);
        if (status != X86_OK) {
            return status;
        }
    }
    return enter(transfer, code, linear, selector, eip, cpl, &stack, words, count);
}

static enum x86_status to_task(struct transfer *transfer, bool gate)
{
    struct x86_task_request request = {
        .cause = transfer->call ? X86_TASK_CALL : X86_TASK_JUMP,
        .selector = gate ? (uint16_t)(transfer->descriptor.low >> 16) : transfer->selector,
        .next_eip = transfer->return_eip,
    };
    /* Whether a TSS is present is only asked after whether it is busy, in the switch. */
    enum x86_status status = gate ? check_gate(transfer) : check_privilege(transfer);

    return status == X86_OK
               ? x86_task_switch(transfer->cpu, transfer->memory, &request, transfer->fault)
               : status;
}

static enum x86_status transfer_protected(struct transfer *transfer)
{
    enum x86_status status;

    if (x86_selector_null(transfer->selector)) {
        return x86_raise(transfer->fault, X86_GP, 0);
    }
    status = x86_descriptor_fetch(transfer->cpu, transfer->memory, transfer->selector,
                                  &transfer->descriptor, &transfer->linear, transfer->fault);
    if (status != X86_OK) {
        return status;
    }
    if (x86_is_code(transfer->descriptor.high)) {
        return to_code(transfer);
    }
    switch ((transfer->descriptor.high & X86_SEG_S) ? 0 : x86_type(transfer->descriptor.high)) {
    case X86_CALL_GATE16:
    case X86_CALL_GATE32: return to_call_gate(transfer);
    case X86_TASK_GATE: return to_task(transfer, true);
    case X86_TSS16_AVAILABLE:
    case X86_TSS16_BUSY:
    case X86_TSS32_AVAILABLE:
    case X86_TSS32_BUSY: return to_task(transfer, false);
    default: return raise(transfer, X86_GP, transfer->selector);
    }
}

static enum x86_status transfer_real(struct transfer *transfer)
{
    struct cpu_state *cpu = transfer->cpu;
    struct x86_stack stack = x86_current_stack(cpu);
    uint32_t words[2] = {cpu->seg[X86_CS].selector, transfer->return_eip};
    enum x86_status status = X86_OK;

    if (transfer->offset > cpu->seg[X86_CS].limit) {
        return x86_raise(transfer->fault, X86_GP, 0);
    }
    if (transfer->call) {
        status = x86_push(cpu, transfer->memory, &stack, words, 2, transfer->size, transfer->fault);
    }
    if (status == X86_OK) {
        cpu->gpr[X86_ESP] = stack.esp;
        x86_load_segment_real(cpu, X86_CS, transfer->selector);
        cpu->eip = transfer->offset;
    }
    return status;
}

static enum x86_status carry_out(struct transfer *transfer)
{
    enum x86_status status =
        x86_protected(transfer->cpu) ? transfer_protected(transfer) : transfer_real(transfer);

    if (status == X86_OK) {
        transfer->cpu->interrupt_shadow = false;
    }
    return status;
}

enum x86_status x86_far_jump(struct cpu_state *cpu, const struct x86_memory *memory,
                             uint16_t selector, uint32_t offset, bool size32, uint8_t length,
                             struct x86_event *fault)
{
    return carry_out(&(struct transfer){.cpu = cpu,
                                        .memory = memory,
                                        .fault = fault,
                                        .selector = selector,
                                        .offset = offset,
                                        .size = size32 ? 4 : 2,
                                        .return_eip = cpu->eip + length});
}

enum x86_status x86_far_call(struct cpu_state *cpu, const struct x86_memory *memory,
                             uint16_t selector, uint32_t offset, bool size32, uint8_t length,
                             struct x86_event *fault)
{
    return carry_out(&(struct transfer){.cpu = cpu,
                                        .memory = memory,
                                        .fault = fault,
                                        .call = true,
                                        .selector = selector,
                                        .offset = offset,
                                        .size = size32 ? 4 : 2,
                                        .return_eip = cpu->eip + length});
}

enum x86_status x86_far_return(struct cpu_state *cpu, const struct x86_memory *memory, bool size32,
                               uint16_t release, struct x86_event *fault)
{
    struct x86_stack stack = x86_current_stack(cpu);
    unsigned size = size32 ? 4 : 2;
    uint32_t words[2]; /* EIP, CS */
    enum x86_status status = x86_stack_read(cpu, memory, &stack, 0, words, 2, size, fault);

    if (status != X86_OK) {
        return status;
    }
    if (x86_protected(cpu)) {
        status = x86_return_far(cpu, memory,
                                &(struct x86_return){.selector = (uint16_t)words[1],
                                                     .eip = words[0],
                                                     .size = size,
                                                     .skip = 2 * size + release,
                                                     .release = release},
                                fault);
    } else if (words[0] > cpu->seg[X86_CS].limit) {
        return x86_raise(fault, X86_GP, 0);
    } else {
        cpu->gpr[X86_ESP] = x86_stack_move(&stack.segment, stack.esp, 2 * size + release);
        cpu->eip = words[0];
        x86_load_segment_real(cpu, X86_CS, (uint16_t)words[1]);
    }
    if (status == X86_OK) {
        cpu->interrupt_shadow = false;
    }
    return status;
}
