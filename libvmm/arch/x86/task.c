/* Task switching (SDM volume 3, sections 7.2 and 7.3). To be restartable, a switch is rehearsed
 * before it is done: the rehearsal checks everything, brings every page to hand and knows the
 * outcome; then the old task is saved, the busy flags move, and the new task's segments are loaded
 * for good. */
#include "task.h"

#include <string.h>

#include "descriptor.h"
#include "stack.h"
#include "walk.h"

#define TSS_SIZE  104u
#define DR6_BT    (1u << 15)
#define UPPER_TSS 0xffff0000u /* the upper halves of registers that a 16-bit TSS does not hold */

/* Where a TSS has its fields (figures 7-2 and 7-10); `width` is that of EIP, EFLAGS and registers.
 */
struct tss_layout {
    uint32_t minimum_limit;
    uint32_t width, eip, eflags, gpr, segments, segment_stride, segment_count, ldt;
};

static const struct tss_layout layouts[2] = {
    {.minimum_limit = 0x2b,
     .width = 2,
     .eip = 0x0e,
     .eflags = 0x10,
     .gpr = 0x12,
     .segments = 0x22,
     .segment_stride = 2,
     .segment_count = 4,
     .ldt = 0x2a},
    {.minimum_limit = 0x67,
     .width = 4,
     .eip = 0x20,
     .eflags = 0x24,
     .gpr = 0x28,
     .segments = 0x48,
     .segment_stride = 4,
     .segment_count = 6,
     .ldt = 0x60},
};
#define TSS32_CR3  0x1cu
#define TSS32_TRAP 0x64u

static const struct tss_layout *layout_of(uint32_t attributes)
{
    return &layouts[(x86_type(attributes) & 8u) != 0];
}

/* One switch on its way. */
struct task_switch {
    struct cpu_state old, next;
    const struct x86_memory *memory;
    const struct x86_task_request *request;
    struct x86_event *fault;
    bool rehearsal;
    const struct tss_layout *from, *to;
    struct x86_descriptor descriptor; /* of the new TSS, at `linear` */
    uint32_t linear;
    uint8_t image[TSS_SIZE]; /* of the new TSS */
};

static enum x86_status raise(struct task_switch *task, uint8_t vector, uint32_t selector)
{
    return x86_raise(task->fault, vector,
                     (selector & ~X86_SELECTOR_RPL) | (task->request->external ? 1u : 0u));
}

static uint32_t field(const struct task_switch *task, uint32_t offset, uint32_t width)
{
    uint32_t value = 0;

    memcpy(&value, task->image + offset, width);
    return value;
}

/* Writes, or makes sure that writing will succeed. */
static enum x86_status put(struct task_switch *task, const struct cpu_state *cpu, uint32_t linear,
                           const void *bytes, size_t count)
{
    return task->rehearsal ? x86_writable(cpu, task->memory, linear, count, false, task->fault)
                           : x86_write(cpu, task->memory, linear, bytes, count, false, task->fault);
}

/* The new TSS: type, busy flag, presence, size (section 7.3, steps 3 to 6), and what it holds. */
static enum x86_status fetch_tss(struct task_switch *task)
{
    uint16_t selector = task->request->selector;
    bool is_return = task->request->cause == X86_TASK_RETURN;
    uint8_t wrong = is_return ? X86_TS : X86_GP;
    enum x86_status status;
    unsigned type;

    if ((selector & X86_SELECTOR_TI) || x86_selector_null(selector)) {
        return raise(task, wrong, selector);
    }
    status = x86_descriptor_fetch(&task->old, task->memory, selector, &task->descriptor,
                                  &task->linear, task->fault);
    if (status == X86_FAULT && task->fault->vector == X86_GP) {
        return raise(task, wrong, selector);
    }
    if (status != X86_OK) {
        return status;
    }
    type = x86_type(task->descriptor.high) & ~2u; /* the busy flag aside */
    if ((task->descriptor.high & X86_SEG_S) ||
        (type != X86_TSS16_AVAILABLE && type != X86_TSS32_AVAILABLE) ||
        ((task->descriptor.high & X86_TSS_BUSY) != 0) != is_return) {
        return raise(task, wrong, selector);
    }
    if (!(task->descriptor.high & X86_SEG_PRESENT)) {
        return raise(task, X86_NP, selector);
    }
    task->to = layout_of(task->descriptor.high);
    task->from = layout_of(task->old.tr.attributes);
    if (x86_descriptor_limit(task->descriptor) < task->to->minimum_limit) {
        return raise(task, X86_TS, selector);
    }
    if (task->old.tr.limit < task->from->minimum_limit) {
        return raise(task, X86_TS, task->old.tr.selector);
    }
    return x86_read(&task->old, task->memory, x86_descriptor_base(task->descriptor), task->image,
                    task->to->minimum_limit + 1, false, task->fault);
}

/* Registers, EIP and EFLAGS into the old TSS; the rest of it is not touched. */
static enum x86_status save_old(struct task_switch *task)
{
    const struct tss_layout *from = task->from;
    const struct cpu_state *old = &task->old;
    uint8_t bytes[TSS_SIZE] = {0};
    uint32_t eflags = old->eflags;
    uint32_t end = from->segments + from->segment_count * from->segment_stride;

    if (task->request->cause == X86_TASK_RETURN) {
        eflags &= ~X86_NT;
    }
    memcpy(bytes + from->eip, &task->request->next_eip, from->width);
    memcpy(bytes + from->eflags, &eflags, from->width);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(bytes + from->gpr + i * from->width, &old->gpr[i], from->width);
    }
    for (unsigned i = 0; i < from->segment_count; i++) {
        memcpy(bytes + from->segments + i * from->segment_stride, &old->seg[i].selector, 2);
    }
    return put(task, old, old->tr.base + from->eip, bytes + from->eip, end - from->eip);
}

/* Sets or clears the busy flag of the TSS whose descriptor is at `linear`. */
static enum x86_status put_busy(struct task_switch *task, uint32_t linear, bool busy)
{
    uint32_t high;
    enum x86_status status =
        x86_read(&task->old, task->memory, linear + 4, &high, sizeof high, false, task->fault);

    if (status != X86_OK) {
        return status;
    }
    high = busy ? high | X86_TSS_BUSY : high & ~X86_TSS_BUSY;
    return put(task, &task->old, linear + 4, &high, sizeof high);
}

/* Busy flags and back link, by cause (table 7-2). */
static enum x86_status link_tasks(struct task_switch *task)
{
    enum x86_task_cause cause = task->request->cause;
    uint16_t old_tr = task->old.tr.selector;
    enum x86_status status = X86_OK;

    if (cause == X86_TASK_CALL) {
        status = put(task, &task->old, x86_descriptor_base(task->descriptor), &old_tr, 2);
    } else {
        status = put_busy(task, task->old.gdtr.base + (old_tr & X86_SELECTOR_INDEX), false);
    }
    if (status == X86_OK && cause != X86_TASK_RETURN) {
        status = put_busy(task, task->linear, true);
    }
    return status;
}

/* The registers of the new task, segment registers by selector only: they are loaded next. */
static void take_image(struct task_switch *task)
{
    const struct tss_layout *to = task->to;
    struct cpu_state *next = &task->next;
    uint32_t eflags = field(task, to->eflags, to->width);

    *next = task->old;
    next->tr = x86_descriptor_segment(task->request->selector, task->descriptor);
    next->tr.attributes |= X86_TSS_BUSY;
    next->cr0 |= X86_CR0_TS;
    if (to->width == 4 && x86_paging(next)) {
        next->cr3 = field(task, TSS32_CR3, 4);
    }
    next->dr[7] &= ~0x155u; /* L0 to L3 and LE are the old task's */
    next->eip = field(task, to->eip, to->width);
    if (task->request->cause == X86_TASK_CALL) {
        eflags |= X86_NT;
    }
    next->eflags = (eflags & (X86_ARITHMETIC | X86_TF | X86_IF | X86_DF | X86_IOPL | X86_NT |
                              X86_RF | X86_VM | X86_AC | X86_ID)) |
                   X86_FIXED;
    for (unsigned i = 0; i < 8; i++) {
        next->gpr[i] =
            field(task, to->gpr + i * to->width, to->width) | (to->width == 2 ? UPPER_TSS : 0);
    }
    for (unsigned i = 0; i < X86_SREGS; i++) {
        uint32_t offset = to->segments + i * to->segment_stride;
        next->seg[i] =
            x86_segment_null(i < to->segment_count ? (uint16_t)field(task, offset, 2) : 0);
    }
    next->ldtr = x86_segment_null((uint16_t)field(task, to->ldt, 2));
    next->cpl = (next->eflags & X86_VM) ? 3 : next->seg[X86_CS].selector & X86_SELECTOR_RPL;
    next->interrupt_shadow = false;
}

/* A descriptor for the new task: what would be #GP is #TS here (table 7-1). */
static enum x86_status fetch(struct task_switch *task, uint16_t selector,
                             struct x86_descriptor *descriptor, uint32_t *linear)
{
    enum x86_status status;

    status =
        x86_descriptor_fetch(&task->next, task->memory, selector, descriptor, linear, task->fault);
    if (status == X86_FAULT && task->fault->vector == X86_GP) {
        return raise(task, X86_TS, selector);
    }
    return status;
}

static enum x86_status load_ldt(struct task_switch *task)
{
    uint16_t selector = task->next.ldtr.selector;
    struct x86_descriptor descriptor;
    enum x86_status status;

    if (x86_selector_null(selector)) {
        return X86_OK;
    }
    if (selector & X86_SELECTOR_TI) {
        return raise(task, X86_TS, selector);
    }
    status = fetch(task, selector, &descriptor, NULL);
    if (status != X86_OK) {
        return status;
    }
    if ((descriptor.high & X86_SEG_S) || x86_type(descriptor.high) != X86_LDT ||
        !(descriptor.high & X86_SEG_PRESENT)) {
        return raise(task, X86_TS, selector);
    }
    task->next.ldtr = x86_descriptor_segment(selector, descriptor);
    return X86_OK;
}

static bool code_fits(uint32_t high, unsigned rpl)
{
    bool conforming = high & X86_SEG_DC;

    return x86_is_code(high) && (conforming ? X86_SEG_DPL(high) <= rpl : X86_SEG_DPL(high) == rpl);
}

static bool stack_fits(uint32_t high, unsigned rpl, unsigned cpl)
{
    return x86_is_writable_data(high) && rpl == cpl && X86_SEG_DPL(high) == cpl;
}

static bool data_fits(uint32_t high, unsigned rpl, unsigned cpl)
{
    bool readable = (high & X86_SEG_S) && (!x86_is_code(high) || (high & X86_SEG_RW));
    bool conforming = x86_is_code(high) && (high & X86_SEG_DC);

    return readable && (conforming || (X86_SEG_DPL(high) >= cpl && X86_SEG_DPL(high) >= rpl));
}

static enum x86_status load_one(struct task_switch *task, enum x86_sreg sreg)
{
    struct x86_segment *segment = &task->next.seg[sreg];
    uint16_t selector = segment->selector;
    unsigned rpl = selector & X86_SELECTOR_RPL;
    unsigned cpl = task->next.cpl;
    struct x86_descriptor descriptor;
    uint32_t linear;
    uint8_t absent = sreg == X86_SS ? X86_STACK : X86_NP;
    enum x86_status status;
    bool fits;

    if (x86_selector_null(selector)) {
        return sreg == X86_CS || sreg == X86_SS ? raise(task, X86_TS, selector) : X86_OK;
    }
    status = fetch(task, selector, &descriptor, &linear);
    if (status != X86_OK) {
        return status;
    }
    fits = sreg == X86_CS   ? code_fits(descriptor.high, rpl)
           : sreg == X86_SS ? stack_fits(descriptor.high, rpl, cpl)
                            : data_fits(descriptor.high, rpl, cpl);
    if (!fits) {
        return raise(task, X86_TS, selector);
    }
    if (!(descriptor.high & X86_SEG_PRESENT)) {
        return raise(task, absent, selector);
    }
    if (!(descriptor.high & X86_SEG_ACCESSED)) {
        descriptor.high |= X86_SEG_ACCESSED;
        status = put(task, &task->next, linear + 4, &descriptor.high, 4);
    }
    if (status == X86_OK) {
        *segment = x86_descriptor_segment(selector, descriptor);
    }
    return status;
}

static enum x86_status load_segments(struct task_switch *task)
{
    static const enum x86_sreg order[] = {X86_CS, X86_SS, X86_DS, X86_ES, X86_FS, X86_GS};
    enum x86_status status = load_ldt(task);

    for (unsigned i = 0; i < X86_SREGS && status == X86_OK; i++) {
        if (task->next.eflags & X86_VM) {
            x86_load_segment_real(&task->next, order[i], task->next.seg[order[i]].selector);
        } else {
            status = load_one(task, order[i]);
        }
    }
    return status;
}

/* An event's error code goes onto the new task's stack, in the width of its TSS. */
static enum x86_status push_error_code(struct task_switch *task)
{
    struct x86_stack stack = x86_current_stack(&task->next);
    uint32_t width = task->to->width;
    enum x86_status status;

    if (!task->request->has_error_code) {
        return X86_OK;
    }
    stack.error_code = task->request->external ? 1 : 0;
    if (task->rehearsal) {
        uint32_t esp = x86_stack_move(&stack.segment, stack.esp, 0u - width);
        uint32_t offset = (stack.segment.attributes & X86_SEG_DB) ? esp : esp & 0xffffu;

        if (!x86_segment_contains(&stack.segment, offset, width)) {
            return x86_raise(task->fault, X86_STACK, stack.error_code);
        }
        return x86_writable(&task->next, task->memory, stack.segment.base + offset, width,
                            stack.user, task->fault);
    }
    status = x86_push(&task->next, task->memory, &stack, &task->request->error_code, 1, width,
                      task->fault);
    if (status == X86_OK) {
        task->next.gpr[X86_ESP] = stack.esp;
    }
    return status;
}

/* What happens in the context of the new task. */
static enum x86_status enter_new(struct task_switch *task)
{
    enum x86_status status;

    take_image(task);
    status = load_segments(task);
    if (status == X86_OK) {
        status = push_error_code(task);
    }
    if (status == X86_OK && task->next.eip > task->next.seg[X86_CS].limit) {
        return raise(task, X86_GP, 0);
    }
    if (status == X86_OK && task->to->width == 4 && (field(task, TSS32_TRAP, 2) & 1u)) {
        task->next.dr[6] |= DR6_BT;
        return x86_raise_plain(task->fault, X86_DB);
    }
    return status;
}

enum x86_status x86_task_switch(struct cpu_state *cpu, const struct x86_memory *memory,
                                const struct x86_task_request *request, struct x86_event *fault)
{
    struct task_switch task = {
        .old = *cpu, .memory = memory, .request = request, .fault = fault, .rehearsal = true};
    enum x86_status status = fetch_tss(&task);

    if (status == X86_OK) {
        status = save_old(&task);
    }
    if (status == X86_OK) {
        status = link_tasks(&task);
    }
    if (status != X86_OK) {
        return status;
    }
    if (enter_new(&task) == X86_NEED_PAGE) {
        return X86_NEED_PAGE;
    }
    task.rehearsal = false;
    if (save_old(&task) != X86_OK || link_tasks(&task) != X86_OK) {
        return X86_SHUTDOWN;
    }
    status = enter_new(&task);
    if (status == X86_NEED_PAGE) {
        return X86_SHUTDOWN;
    }
    *cpu = task.next;
    return status;
}
