/* Event delivery, on a copy of the processor that replaces it only when all is done: so that a page
 * that is not at hand costs no more than a second try. Memory sees, before that, only what a second
 * try repeats: accessed and dirty bits, and a stack frame below the stack pointer. See deliver.h.
 */
#include "deliver.h"

#include "descriptor.h"
#include "stack.h"
#include "task.h"
#include "walk.h"

#define DR7_GD (1u << 13)

/* Exceptions by what a second one on top of them comes to (SDM volume 3, table 6-4). */
enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum severity severity_of(const struct x86_event *event)
{
    if (event->kind != X86_EXCEPTION) {
        return BENIGN;
    }
    switch (event->vector) {
    case X86_DE:
    case X86_TS:
    case X86_NP:
    case X86_STACK:
    case X86_GP: return CONTRIBUTORY;
    case X86_PAGE: return PAGE_FAULT;
    case X86_DF_ABORT: return DOUBLE_FAULT;
    default: return BENIGN;
    }
}

enum x86_nested x86_nested(const struct x86_event *first, const struct x86_event *second)
{
    bool fault_twice = false;

    switch (severity_of(first)) {
    case DOUBLE_FAULT: return X86_NESTED_SHUTDOWN;
    case CONTRIBUTORY: fault_twice = severity_of(second) == CONTRIBUTORY; break;
    case PAGE_FAULT: fault_twice = severity_of(second) != BENIGN; break;
    default: break;
    }
    return fault_twice ? X86_NESTED_DOUBLE_FAULT : X86_NESTED_SECOND;
}

/* What the steps of one delivery share. */
struct delivery {
    struct cpu_state *cpu;
    const struct x86_memory *memory;
    const struct x86_event *event;
    struct x86_event *fault;
    uint32_t external; /* EXT, for the error codes of faults on the way (section 6.13) */
    uint32_t return_eip;
    uint32_t saved_eflags;
};

/* Gives a fault of a step below the EXT bit of this delivery. */
static enum x86_status with_external(struct delivery *delivery, enum x86_status status)
{
    if (status == X86_FAULT && delivery->fault->vector != X86_PAGE) {
        delivery->fault->error_code |= delivery->external;
    }
    return status;
}

static enum x86_status raise(struct delivery *delivery, uint8_t vector, uint32_t selector)
{
    return with_external(delivery,
                         x86_raise(delivery->fault, vector, selector & ~X86_SELECTOR_RPL));
}

/* The handler's code segment, checked: `*cpl` becomes the ring it runs in. */
static enum x86_status fetch_handler(struct delivery *delivery, uint16_t selector,
                                     struct x86_descriptor *code, uint32_t *linear, unsigned *cpl)
{
    struct cpu_state *cpu = delivery->cpu;
    enum x86_status status;

    if (x86_selector_null(selector)) {
        return raise(delivery, X86_GP, 0);
    }
    status = with_external(delivery, x86_descriptor_fetch(cpu, delivery->memory, selector, code,
                                                          linear, delivery->fault));
    if (status != X86_OK) {
        return status;
    }
    if (!x86_is_code(code->high) || X86_SEG_DPL(code->high) > cpu->cpl) {
        return raise(delivery, X86_GP, selector);
    }
    if (!(code->high & X86_SEG_PRESENT)) {
        return raise(delivery, X86_NP, selector);
    }
    *cpl = (code->high & X86_SEG_DC) ? cpu->cpl : X86_SEG_DPL(code->high);
    /* Virtual-8086 mode can only be left for ring 0. */
    return (cpu->eflags & X86_VM) && *cpl != 0 ? raise(delivery, X86_GP, selector) : X86_OK;
}

/* The words that the handler finds on its stack, in the order pushed (figure 6-4, figure 20-4). */
static unsigned build_frame(const struct delivery *delivery, bool stack_switch, uint32_t frame[10])
{
    const struct cpu_state *cpu = delivery->cpu;
    unsigned count = 0;

    if (cpu->eflags & X86_VM) {
        frame[count++] = cpu->seg[X86_GS].selector;
        frame[count++] = cpu->seg[X86_FS].selector;
        frame[count++] = cpu->seg[X86_DS].selector;
        frame[count++] = cpu->seg[X86_ES].selector;
    }
    if (stack_switch) {
        frame[count++] = cpu->seg[X86_SS].selector;
        frame[count++] = cpu->gpr[X86_ESP];
    }
    frame[count++] = delivery->saved_eflags;
    frame[count++] = cpu->seg[X86_CS].selector;
    frame[count++] = delivery->return_eip;
    if (delivery->event->kind == X86_EXCEPTION && delivery->event->has_error_code) {
        frame[count++] = delivery->event->error_code;
    }
    return count;
}

/* Through an interrupt or trap gate (section 6.12.1). */
static enum x86_status through_gate(struct delivery *delivery, struct x86_descriptor gate)
{
    struct cpu_state *cpu = delivery->cpu;
    unsigned type = x86_type(gate.high);
    bool gate32 = type >= X86_INTERRUPT_GATE32;
    bool masks = type == X86_INTERRUPT_GATE32 || type == X86_INTERRUPT_GATE16;
    uint32_t eip = (gate.low & 0xffffu) | (gate32 ? gate.high & 0xffff0000u : 0);
    uint16_t selector = (uint16_t)(gate.low >> 16);
    struct x86_descriptor code;
    struct x86_stack stack;
    uint32_t frame[10];
    uint32_t linear;
    unsigned cpl = 0;
    enum x86_status status = fetch_handler(delivery, selector, &code, &linear, &cpl);

    if (status != X86_OK) {
        return status;
    }
    if (cpl < cpu->cpl) {
        status = with_external(
            delivery, x86_inner_stack(cpu, delivery->memory, cpl, &stack, delivery->fault));
        if (status != X86_OK) {
            return status;
        }
    } else {
        stack = x86_current_stack(cpu);
    }
    stack.error_code |= delivery->external;
    if (eip > x86_descriptor_limit(code)) {
        return raise(delivery, X86_GP, 0);
    }
    status = x86_descriptor_mark(cpu, delivery->memory, linear, &code, delivery->fault);
    if (status == X86_OK) {
        unsigned count = build_frame(delivery, cpl < cpu->cpl, frame);
        status =
            x86_push(cpu, delivery->memory, &stack, frame, count, gate32 ? 4 : 2, delivery->fault);
    }
    if (status != X86_OK) {
        return status;
    }
    if (cpu->eflags & X86_VM) {
        static const enum x86_sreg data[] = {X86_ES, X86_DS, X86_FS, X86_GS};
        for (unsigned i = 0; i < 4; i++) {
            cpu->seg[data[i]] = x86_segment_null(0);
        }
    }
    cpu->seg[X86_SS] = stack.segment;
    cpu->gpr[X86_ESP] = stack.esp;
    cpu->seg[X86_CS] =
        x86_descriptor_segment((uint16_t)((selector & ~X86_SELECTOR_RPL) | cpl), code);
    cpu->cpl = (uint8_t)cpl;
    cpu->eip = eip;
    cpu->eflags &= ~(X86_TF | X86_NT | X86_RF | X86_VM | (masks ? X86_IF : 0u));
    return X86_OK;
}

/* Through a task gate (section 6.12.2): the handler is a task of its own. */
static enum x86_status through_task(struct delivery *delivery, struct x86_descriptor gate)
{
    const struct x86_event *event = delivery->event;
    struct x86_task_request request = {
        .cause = X86_TASK_CALL,
        .selector = (uint16_t)(gate.low >> 16),
        .next_eip = delivery->return_eip,
        .external = delivery->external,
        .has_error_code = event->kind == X86_EXCEPTION && event->has_error_code,
        .error_code = event->error_code,
    };

    return x86_task_switch(delivery->cpu, delivery->memory, &request, delivery->fault);
}

/* INT n, unlike INT3 and INTO, is sensitive to IOPL in virtual-8086 mode (section 20.2.7). `CD 03`
 * and `CC` have the same vector, so the instruction's last byte tells them apart. */
static bool is_int_n(const struct delivery *delivery)
{
    const struct cpu_state *cpu = delivery->cpu;
    uint8_t vector = delivery->event->vector;
    uint8_t last = 0;

    if (vector != X86_BP && vector != X86_OVERFLOW) {
        return true;
    }
    x86_peek(cpu, delivery->memory, cpu->seg[X86_CS].base + delivery->return_eip - 1, &last, 1);
    return last != (vector == X86_BP ? 0xcc : 0xce);
}

static enum x86_status deliver_protected(struct delivery *delivery)
{
    struct cpu_state *cpu = delivery->cpu;
    const struct x86_event *event = delivery->event;
    bool software = event->kind == X86_SOFTWARE_INTERRUPT;
    uint32_t code = event->vector * 8u | 2u; /* the IDT bit */
    struct x86_descriptor gate;
    enum x86_status status;

    if (software && (cpu->eflags & X86_VM) && x86_iopl(cpu) < 3 && is_int_n(delivery)) {
        return x86_raise(delivery->fault, X86_GP, 0);
    }
    if (event->vector * 8u + 7 > cpu->idtr.limit) {
        return with_external(delivery, x86_raise(delivery->fault, X86_GP, code));
    }
    status = x86_read(cpu, delivery->memory, cpu->idtr.base + event->vector * 8u, &gate,
                      sizeof gate, false, delivery->fault);
    if (status != X86_OK) {
        return status;
    }
    switch ((gate.high & X86_SEG_S) ? 0 : x86_type(gate.high)) {
    case X86_TASK_GATE:
    case X86_INTERRUPT_GATE16:
    case X86_TRAP_GATE16:
    case X86_INTERRUPT_GATE32:
    case X86_TRAP_GATE32: break;
    default: return with_external(delivery, x86_raise(delivery->fault, X86_GP, code));
    }
    if (software && X86_SEG_DPL(gate.high) < cpu->cpl) {
        return with_external(delivery, x86_raise(delivery->fault, X86_GP, code));
    }
    if (!(gate.high & X86_SEG_PRESENT)) {
        return with_external(delivery, x86_raise(delivery->fault, X86_NP, code));
    }
    return x86_type(gate.high) == X86_TASK_GATE ? through_task(delivery, gate)
                                                : through_gate(delivery, gate);
}

/* Real mode (section 20.1.4): a far pointer of four bytes a vector, no error codes, no rings. */
static enum x86_status deliver_real(struct delivery *delivery)
{
    struct cpu_state *cpu = delivery->cpu;
    uint32_t offset = delivery->event->vector * 4u;
    struct x86_stack stack = x86_current_stack(cpu);
    uint32_t frame[3] = {delivery->saved_eflags, cpu->seg[X86_CS].selector, delivery->return_eip};
    enum x86_status status;
    uint16_t handler[2];

    if (offset + 3 > cpu->idtr.limit) {
        return x86_raise_plain(delivery->fault, X86_GP);
    }
    status = x86_read(cpu, delivery->memory, cpu->idtr.base + offset, handler, sizeof handler,
                      false, delivery->fault);
    if (status == X86_OK) {
        status = x86_push(cpu, delivery->memory, &stack, frame, 3, 2, delivery->fault);
    }
    if (status != X86_OK) {
        delivery->fault->has_error_code = false;
        return status;
    }
    cpu->gpr[X86_ESP] = stack.esp;
    x86_load_segment_real(cpu, X86_CS, handler[1]);
    cpu->eip = handler[0];
    cpu->eflags &= ~(X86_IF | X86_TF | X86_AC | X86_RF);
    return X86_OK;
}

/* One attempt: `cpu` is changed on X86_OK, and by a task switch that fails after its commit. */
static enum x86_status deliver_one(struct cpu_state *cpu, const struct x86_memory *memory,
                                   const struct x86_event *event, struct x86_event *fault)
{
    bool software = event->kind == X86_SOFTWARE_INTERRUPT;
    struct delivery delivery = {
        .cpu = cpu,
        .memory = memory,
        .event = event,
        .fault = fault,
        .external = !software,
        .return_eip = cpu->eip + (software ? event->length : 0),
        .saved_eflags = cpu->eflags,
    };

    if (software && !(cpu->seg[X86_CS].attributes & X86_SEG_DB)) {
        delivery.return_eip &= 0xffffu;
    }
    /* Set for faults, so that the retry does not meet the same breakpoint; otherwise the
     * instruction before has cleared it (section 17.3.1.1), which the engine does blocks later. */
    if (event->kind == X86_EXCEPTION && x86_is_fault(event->vector)) {
        delivery.saved_eflags |= X86_RF;
    } else {
        delivery.saved_eflags &= ~(uint32_t)X86_RF;
    }
    return (cpu->cr0 & X86_CR0_PE) ? deliver_protected(&delivery) : deliver_real(&delivery);
}

static void log_event(struct x86_delivery *log, const struct x86_event *event)
{
    if (log) {
        log->count += log->count < X86_DELIVERY_EVENTS;
        log->events[log->count - 1] = *event;
    }
}

enum x86_status x86_deliver(struct cpu_state *cpu, const struct x86_memory *memory,
                            const struct x86_event *event, struct x86_delivery *log)
{
    struct cpu_state next = *cpu;
    struct x86_event current = *event;
    struct x86_event fault;

    if (log) {
        log->count = 0;
    }
    /* Benign, contributory, page fault, contributory, double fault, and out: never more rounds. */
    for (unsigned round = 0; round < 2 * X86_DELIVERY_EVENTS; round++) {
        enum x86_status status;

        log_event(log, &current);
        if (current.kind == X86_EXCEPTION && current.vector == X86_PAGE) {
            next.cr2 = current.cr2;
        }
        status = deliver_one(&next, memory, &current, &fault);
        if (status == X86_OK) {
            next.interrupt_shadow = false;
            if (current.kind == X86_EXCEPTION && current.vector == X86_DB) {
                next.dr[7] &= ~DR7_GD;
            }
            *cpu = next;
            return X86_OK;
        }
        if (status == X86_NEED_PAGE) {
            return X86_NEED_PAGE;
        }
        if (fault.vector == X86_PAGE) {
            next.cr2 = fault.cr2;
        }
        enum x86_nested next_is = x86_nested(&current, &fault);
        if (status == X86_SHUTDOWN || next_is == X86_NESTED_SHUTDOWN) {
            log_event(log, &fault);
            break;
        }
        if (next_is == X86_NESTED_DOUBLE_FAULT) {
            log_event(log, &fault);
            x86_raise(&current, X86_DF_ABORT, 0);
        } else {
            current = fault;
        }
    }
    cpu->cr2 = next.cr2;
    return X86_SHUTDOWN;
}
