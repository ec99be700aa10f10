/* Returning from a handler. The checks of code segment and stack are shared with RET far; what
 * makes IRET different is EFLAGS, virtual-8086 mode and nested tasks. See iret.h. */
#include "iret.h"

#include "descriptor.h"
#include "stack.h"
#include "task.h"
#include "walk.h"

#define POPPED (X86_ARITHMETIC | X86_TF | X86_IF | X86_DF | X86_IOPL | X86_NT | X86_AC | X86_ID)

uint32_t x86_eflags_load(const struct cpu_state *cpu, uint32_t value, bool size32, bool rf)
{
    uint32_t mask = POPPED;
    bool rings = cpu->cr0 & X86_CR0_PE;

    if (rings && cpu->cpl > 0) {
        mask &= ~X86_IOPL;
    }
    if (rings && cpu->cpl > x86_iopl(cpu)) {
        mask &= ~X86_IF;
    }
    if (!size32) {
        mask &= 0xffffu;
    }
    value = (value & mask) | (cpu->eflags & ~(mask | X86_RF)) | X86_FIXED |
            (rf && size32 ? value & X86_RF : 0);
    return value;
}

void x86_null_privileged_segments(struct cpu_state *cpu)
{
    static const enum x86_sreg data[] = {X86_ES, X86_DS, X86_FS, X86_GS};

    for (unsigned i = 0; i < 4; i++) {
        struct x86_segment *segment = &cpu->seg[data[i]];
        bool conforming = x86_is_code(segment->attributes) && (segment->attributes & X86_SEG_DC);

        if (!conforming && X86_SEG_DPL(segment->attributes) < cpu->cpl) {
            *segment = x86_segment_null(0);
        }
    }
}

/* The code segment returned to: never inward, and of the privilege that the selector claims. */
static enum x86_status fetch_code(const struct cpu_state *cpu, const struct x86_memory *memory,
                                  uint16_t selector, struct x86_descriptor *code, uint32_t *linear,
                                  struct x86_event *fault)
{
    uint32_t error = selector & ~X86_SELECTOR_RPL;
    unsigned rpl = selector & X86_SELECTOR_RPL;
    enum x86_status status;
    unsigned dpl;

    if (x86_selector_null(selector)) {
        return x86_raise(fault, X86_GP, 0);
    }
    status = x86_descriptor_fetch(cpu, memory, selector, code, linear, fault);
    if (status != X86_OK) {
        return status;
    }
    dpl = X86_SEG_DPL(code->high);
    if (!x86_is_code(code->high) || rpl < cpu->cpl ||
        ((code->high & X86_SEG_DC) ? dpl > rpl : dpl != rpl)) {
        return x86_raise(fault, X86_GP, error);
    }
    return (code->high & X86_SEG_PRESENT) ? X86_OK : x86_raise(fault, X86_NP, error);
}

/* The outer ring's stack segment, for `cpl`. */
static enum x86_status fetch_stack(const struct cpu_state *cpu, const struct x86_memory *memory,
                                   uint16_t selector, unsigned cpl,
                                   struct x86_descriptor *descriptor, uint32_t *linear,
                                   struct x86_event *fault)
{
    uint32_t error = selector & ~X86_SELECTOR_RPL;
    enum x86_status status;

    if (x86_selector_null(selector)) {
        return x86_raise(fault, X86_GP, 0);
    }
    status = x86_descriptor_fetch(cpu, memory, selector, descriptor, linear, fault);
    if (status != X86_OK) {
        return status;
    }
    if ((selector & X86_SELECTOR_RPL) != cpl || X86_SEG_DPL(descriptor->high) != cpl ||
        !x86_is_writable_data(descriptor->high)) {
        return x86_raise(fault, X86_GP, error);
    }
    return (descriptor->high & X86_SEG_PRESENT) ? X86_OK : x86_raise(fault, X86_STACK, error);
}

/* Outward: SS:ESP come from the inner stack. */
static enum x86_status return_outward(struct cpu_state *next, const struct x86_memory *memory,
                                      const struct x86_return *to, unsigned cpl,
                                      struct x86_event *fault)
{
    struct x86_stack inner = x86_current_stack(next);
    struct x86_descriptor descriptor;
    struct x86_segment *ss = &next->seg[X86_SS];
    uint32_t words[2]; /* ESP, SS */
    uint32_t linear;
    enum x86_status status;

    status = x86_stack_read(next, memory, &inner, to->skip, words, 2, to->size, fault);
    if (status == X86_OK) {
        status = fetch_stack(next, memory, (uint16_t)words[1], cpl, &descriptor, &linear, fault);
    }
    if (status == X86_OK) {
        status = x86_descriptor_mark(next, memory, linear, &descriptor, fault);
    }
    if (status != X86_OK) {
        return status;
    }
    *ss = x86_descriptor_segment((uint16_t)words[1], descriptor);
    next->gpr[X86_ESP] = (ss->attributes & X86_SEG_DB)
                             ? words[0]
                             : (next->gpr[X86_ESP] & 0xffff0000u) | (words[0] & 0xffffu);
    next->gpr[X86_ESP] = x86_stack_move(ss, next->gpr[X86_ESP], to->release);
    next->cpl = (uint8_t)cpl;
    x86_null_privileged_segments(next);
    return X86_OK;
}

enum x86_status x86_return_far(struct cpu_state *cpu, const struct x86_memory *memory,
                               const struct x86_return *to, struct x86_event *fault)
{
    unsigned cpl = to->selector & X86_SELECTOR_RPL;
    struct cpu_state next = *cpu;
    struct x86_descriptor code;
    uint32_t linear;
    enum x86_status status = fetch_code(cpu, memory, to->selector, &code, &linear, fault);

    if (status == X86_OK && to->eip > x86_descriptor_limit(code)) {
        return x86_raise(fault, X86_GP, 0);
    }
    if (status == X86_OK) {
        status = x86_descriptor_mark(cpu, memory, linear, &code, fault);
    }
    if (status == X86_OK && cpl > cpu->cpl) {
        status = return_outward(&next, memory, to, cpl, fault);
    } else {
        next.gpr[X86_ESP] = x86_stack_move(&cpu->seg[X86_SS], cpu->gpr[X86_ESP], to->skip);
    }
    if (status != X86_OK) {
        return status;
    }
    next.seg[X86_CS] = x86_descriptor_segment(to->selector, code);
    next.eip = to->eip;
    *cpu = next;
    return X86_OK;
}

/* Into virtual-8086 mode: EIP CS EFLAGS ESP SS ES DS FS GS from the ring 0 stack. */
static enum x86_status return_to_virtual_8086(struct cpu_state *cpu,
                                              const struct x86_memory *memory,
                                              struct x86_event *fault)
{
    static const enum x86_sreg order[] = {X86_SS, X86_ES, X86_DS, X86_FS, X86_GS};
    struct x86_stack stack = x86_current_stack(cpu);
    uint32_t words[9];
    enum x86_status status = x86_stack_read(cpu, memory, &stack, 0, words, 9, 4, fault);

    if (status != X86_OK) {
        return status;
    }
    if (words[0] > 0xffffu) {
        return x86_raise(fault, X86_GP, 0);
    }
    cpu->eip = words[0];
    cpu->eflags = (words[2] & (POPPED | X86_RF | X86_VIF | X86_VIP)) | X86_VM | X86_FIXED;
    cpu->cpl = 3;
    cpu->gpr[X86_ESP] = words[3];
    x86_load_segment_real(cpu, X86_CS, (uint16_t)words[1]);
    for (unsigned i = 0; i < 5; i++) {
        x86_load_segment_real(cpu, order[i], (uint16_t)words[4 + i]);
    }
    return X86_OK;
}

/* Real mode, and virtual-8086 mode with IOPL 3: three words, no checks but the limit of CS. */
static enum x86_status return_real(struct cpu_state *cpu, const struct x86_memory *memory,
                                   unsigned size, struct x86_event *fault)
{
    struct x86_stack stack = x86_current_stack(cpu);
    uint32_t words[3];
    enum x86_status status = x86_stack_read(cpu, memory, &stack, 0, words, 3, size, fault);

    if (status != X86_OK) {
        return status;
    }
    if (words[0] > cpu->seg[X86_CS].limit) {
        return x86_raise(fault, X86_GP, 0);
    }
    cpu->gpr[X86_ESP] = x86_stack_move(&stack.segment, stack.esp, 3 * size);
    cpu->eflags = x86_eflags_load(cpu, words[2], size == 4, true);
    cpu->eip = words[0];
    x86_load_segment_real(cpu, X86_CS, (uint16_t)words[1]);
    return X86_OK;
}

/* Out of a nested task, to the one that its back link names (section 7.4). */
static enum x86_status return_to_task(struct cpu_state *cpu, const struct x86_memory *memory,
                                      uint8_t length, struct x86_event *fault)
{
    struct x86_task_request request = {.cause = X86_TASK_RETURN, .next_eip = cpu->eip + length};
    enum x86_status status = x86_read(cpu, memory, cpu->tr.base, &request.selector,
                                      sizeof request.selector, false, fault);

    return status == X86_OK ? x86_task_switch(cpu, memory, &request, fault) : status;
}

static enum x86_status return_protected(struct cpu_state *cpu, const struct x86_memory *memory,
                                        unsigned size, struct x86_event *fault)
{
    struct x86_stack stack = x86_current_stack(cpu);
    uint32_t words[3]; /* EIP, CS, EFLAGS */
    uint32_t eflags;
    enum x86_status status = x86_stack_read(cpu, memory, &stack, 0, words, 3, size, fault);

    if (status != X86_OK) {
        return status;
    }
    if (size == 4 && (words[2] & X86_VM) && cpu->cpl == 0) {
        return return_to_virtual_8086(cpu, memory, fault);
    }
    /* IF and IOPL obey the privilege of the code that returns, not of the code returned to. */
    eflags = x86_eflags_load(cpu, words[2], size == 4, true);
    status = x86_return_far(
        cpu, memory,
        &(struct x86_return){
            .selector = (uint16_t)words[1], .eip = words[0], .size = size, .skip = 3 * size},
        fault);
    if (status == X86_OK) {
        cpu->eflags = eflags;
    }
    return status;
}

enum x86_status x86_iret(struct cpu_state *cpu, const struct x86_memory *memory, bool size32,
                         uint8_t length, struct x86_event *fault)
{
    unsigned size = size32 ? 4 : 2;
    enum x86_status status;

    if (!(cpu->cr0 & X86_CR0_PE)) {
        status = return_real(cpu, memory, size, fault);
    } else if (cpu->eflags & X86_VM) {
        status = x86_iopl(cpu) == 3 ? return_real(cpu, memory, size, fault)
                                    : x86_raise(fault, X86_GP, 0);
    } else if (cpu->eflags & X86_NT) {
        status = return_to_task(cpu, memory, length, fault);
    } else {
        status = return_protected(cpu, memory, size, fault);
    }
    if (status == X86_OK) {
        cpu->interrupt_shadow = false;
    }
    return status;
}
