/* Descriptor tables and segment registers, with the checks of the manual in the manual's order. See
 * descriptor.h for the layout of a descriptor. All accesses to descriptor tables are the
 * supervisor's, whatever the CPL (SDM volume 3, section 4.6.1: implicit supervisor-mode accesses).
 */
#include "descriptor.h"

#include <string.h>

#include "walk.h"

enum x86_status x86_raise(struct x86_event *fault, uint8_t vector, uint32_t error_code)
{
    *fault = (struct x86_event){
        .kind = X86_EXCEPTION, .vector = vector, .has_error_code = true, .error_code = error_code};
    return X86_FAULT;
}

enum x86_status x86_raise_plain(struct x86_event *fault, uint8_t vector)
{
    *fault = (struct x86_event){.kind = X86_EXCEPTION, .vector = vector};
    return X86_FAULT;
}

uint32_t x86_descriptor_base(struct x86_descriptor descriptor)
{
    return descriptor.low >> 16 | (descriptor.high & 0xffu) << 16 | (descriptor.high & 0xff000000u);
}

uint32_t x86_descriptor_limit(struct x86_descriptor descriptor)
{
    uint32_t limit = (descriptor.low & 0xffffu) | (descriptor.high & 0xf0000u);

    return (descriptor.high & X86_SEG_G) ? limit << 12 | 0xfffu : limit;
}

struct x86_segment x86_descriptor_segment(uint16_t selector, struct x86_descriptor descriptor)
{
    return (struct x86_segment){.selector = selector,
                                .base = x86_descriptor_base(descriptor),
                                .limit = x86_descriptor_limit(descriptor),
                                .attributes = descriptor.high & X86_ATTRIBUTES};
}

struct x86_descriptor x86_descriptor_make(uint32_t base, uint32_t limit, uint32_t attributes)
{
    uint32_t field = (attributes & X86_SEG_G) ? limit >> 12 : limit;

    return (struct x86_descriptor){.low = base << 16 | (field & 0xffffu),
                                   .high = (base & 0xff000000u) | (base >> 16 & 0xffu) |
                                           (field & 0xf0000u) | (attributes & X86_ATTRIBUTES)};
}

struct x86_segment x86_segment_null(uint16_t selector)
{
    return (struct x86_segment){.selector = selector};
}

void x86_load_segment_real(struct cpu_state *cpu, enum x86_sreg sreg, uint16_t selector)
{
    struct x86_segment *segment = &cpu->seg[sreg];
    uint32_t data = X86_SEG_PRESENT | X86_SEG_S | X86_SEG_RW | X86_SEG_ACCESSED;

    segment->selector = selector;
    segment->base = (uint32_t)selector << 4;
    if (cpu->eflags & X86_VM) {
        segment->limit = 0xffff;
        segment->attributes = data | 3u << 13;
    } else if (!(segment->attributes & X86_SEG_PRESENT)) {
        segment->limit = 0xffff;
        segment->attributes = data;
    }
}

enum x86_status x86_descriptor_fetch(const struct cpu_state *cpu, const struct x86_memory *memory,
                                     uint16_t selector, struct x86_descriptor *descriptor,
                                     uint32_t *linear, struct x86_event *fault)
{
    bool local = selector & X86_SELECTOR_TI;
    uint32_t base = local ? cpu->ldtr.base : cpu->gdtr.base;
    uint32_t limit = local ? cpu->ldtr.limit : cpu->gdtr.limit;
    uint32_t offset = selector & X86_SELECTOR_INDEX;
    uint32_t words[2];
    enum x86_status status;

    if ((local && !(cpu->ldtr.attributes & X86_SEG_PRESENT)) || offset + 7 > limit) {
        return x86_raise(fault, X86_GP, selector & ~X86_SELECTOR_RPL);
    }
    status = x86_read(cpu, memory, base + offset, words, sizeof words, false, fault);
    if (status != X86_OK) {
        return status;
    }
    *descriptor = (struct x86_descriptor){.low = words[0], .high = words[1]};
    if (linear) {
        *linear = base + offset;
    }
    return X86_OK;
}

enum x86_status x86_descriptor_mark(const struct cpu_state *cpu, const struct x86_memory *memory,
                                    uint32_t linear, struct x86_descriptor *descriptor,
                                    struct x86_event *fault)
{
    uint32_t high = descriptor->high | X86_SEG_ACCESSED;

    if (high != descriptor->high) {
        enum x86_status status =
            x86_write(cpu, memory, linear + 4, &high, sizeof high, false, fault);
        if (status != X86_OK) {
            return status;
        }
        descriptor->high = high;
    }
    return X86_OK;
}

/* SS takes a writable data segment of exactly the CPL's privilege. */
static enum x86_status check_stack_segment(const struct cpu_state *cpu, uint16_t selector,
                                           uint32_t high, struct x86_event *fault)
{
    uint32_t code = selector & ~X86_SELECTOR_RPL;

    if ((selector & X86_SELECTOR_RPL) != cpu->cpl || !x86_is_writable_data(high) ||
        X86_SEG_DPL(high) != cpu->cpl) {
        return x86_raise(fault, X86_GP, code);
    }
    if (!(high & X86_SEG_PRESENT)) {
        return x86_raise(fault, X86_STACK, code);
    }
    return X86_OK;
}

/* Whether code at `cpl` may use a segment through a selector with `rpl` as data. */
static bool data_privilege(uint32_t high, unsigned cpl, unsigned rpl)
{
    bool conforming = x86_is_code(high) && (high & X86_SEG_DC);

    return conforming || (X86_SEG_DPL(high) >= cpl && X86_SEG_DPL(high) >= rpl);
}

static bool is_readable(uint32_t high)
{
    return (high & X86_SEG_S) && (!(high & X86_SEG_CODE) || (high & X86_SEG_RW));
}

static enum x86_status check_data_segment(const struct cpu_state *cpu, uint16_t selector,
                                          uint32_t high, struct x86_event *fault)
{
    uint32_t code = selector & ~X86_SELECTOR_RPL;

    if (!is_readable(high) || !data_privilege(high, cpu->cpl, selector & X86_SELECTOR_RPL)) {
        return x86_raise(fault, X86_GP, code);
    }
    if (!(high & X86_SEG_PRESENT)) {
        return x86_raise(fault, X86_NP, code);
    }
    return X86_OK;
}

enum x86_status x86_load_segment(struct cpu_state *cpu, const struct x86_memory *memory,
                                 enum x86_sreg sreg, uint16_t selector, struct x86_event *fault)
{
    struct x86_descriptor descriptor;
    enum x86_status status;
    uint32_t linear;

    if (sreg == X86_CS || sreg >= X86_SREGS) {
        return x86_raise_plain(fault, X86_UD);
    }
    if (!x86_protected(cpu)) {
        x86_load_segment_real(cpu, sreg, selector);
        return X86_OK;
    }
    if (x86_selector_null(selector)) {
        if (sreg == X86_SS) {
            return x86_raise(fault, X86_GP, 0);
        }
        cpu->seg[sreg] = x86_segment_null(selector);
        return X86_OK;
    }
    status = x86_descriptor_fetch(cpu, memory, selector, &descriptor, &linear, fault);
    if (status == X86_OK) {
        status = sreg == X86_SS ? check_stack_segment(cpu, selector, descriptor.high, fault)
                                : check_data_segment(cpu, selector, descriptor.high, fault);
    }
    if (status == X86_OK) {
        status = x86_descriptor_mark(cpu, memory, linear, &descriptor, fault);
    }
    if (status == X86_OK) {
        cpu->seg[sreg] = x86_descriptor_segment(selector, descriptor);
    }
    return status;
}

/* What LLDT and LTR have in common: ring 0 of protected mode only. */
static enum x86_status check_system_load(const struct cpu_state *cpu, struct x86_event *fault)
{
    if (!x86_protected(cpu)) {
        return x86_raise_plain(fault, X86_UD);
    }
    return cpu->cpl == 0 ? X86_OK : x86_raise(fault, X86_GP, 0);
}

enum x86_status x86_load_ldtr(struct cpu_state *cpu, const struct x86_memory *memory,
                              uint16_t selector, struct x86_event *fault)
{
    uint32_t code = selector & ~X86_SELECTOR_RPL;
    struct x86_descriptor descriptor;
    enum x86_status status = check_system_load(cpu, fault);

    if (status != X86_OK) {
        return status;
    }
    if (x86_selector_null(selector)) {
        cpu->ldtr = x86_segment_null(selector);
        return X86_OK;
    }
    if (selector & X86_SELECTOR_TI) {
        return x86_raise(fault, X86_GP, code);
    }
    status = x86_descriptor_fetch(cpu, memory, selector, &descriptor, NULL, fault);
    if (status != X86_OK) {
        return status;
    }
    if ((descriptor.high & X86_SEG_S) || x86_type(descriptor.high) != X86_LDT) {
        return x86_raise(fault, X86_GP, code);
    }
    if (!(descriptor.high & X86_SEG_PRESENT)) {
        return x86_raise(fault, X86_NP, code);
    }
    cpu->ldtr = x86_descriptor_segment(selector, descriptor);
    return X86_OK;
}

enum x86_status x86_load_tr(struct cpu_state *cpu, const struct x86_memory *memory,
                            uint16_t selector, struct x86_event *fault)
{
    uint32_t code = selector & ~X86_SELECTOR_RPL;
    struct x86_descriptor descriptor;
    enum x86_status status = check_system_load(cpu, fault);
    uint32_t linear;

    if (status != X86_OK) {
        return status;
    }
    if (x86_selector_null(selector)) {
        return x86_raise(fault, X86_GP, 0);
    }
    if (selector & X86_SELECTOR_TI) {
        return x86_raise(fault, X86_GP, code);
    }
    status = x86_descriptor_fetch(cpu, memory, selector, &descriptor, &linear, fault);
    if (status != X86_OK) {
        return status;
    }
    if ((descriptor.high & X86_SEG_S) || (x86_type(descriptor.high) != X86_TSS32_AVAILABLE &&
                                          x86_type(descriptor.high) != X86_TSS16_AVAILABLE)) {
        return x86_raise(fault, X86_GP, code);
    }
    if (!(descriptor.high & X86_SEG_PRESENT)) {
        return x86_raise(fault, X86_NP, code);
    }
    descriptor.high |= X86_TSS_BUSY;
    status = x86_write(cpu, memory, linear + 4, &descriptor.high, 4, false, fault);
    if (status == X86_OK) {
        cpu->tr = x86_descriptor_segment(selector, descriptor);
    }
    return status;
}

/* Fetches a descriptor for an instruction that answers by ZF: null selectors and those beyond the
 * table are not faults for it. */
static enum x86_status inspect(const struct cpu_state *cpu, const struct x86_memory *memory,
                               uint16_t selector, struct x86_descriptor *descriptor, bool *valid,
                               struct x86_event *fault)
{
    enum x86_status status;

    *valid = false;
    if (!x86_protected(cpu)) {
        return x86_raise_plain(fault, X86_UD);
    }
    if (x86_selector_null(selector)) {
        return X86_OK;
    }
    status = x86_descriptor_fetch(cpu, memory, selector, descriptor, NULL, fault);
    if (status == X86_FAULT && fault->vector == X86_GP) {
        return X86_OK;
    }
    *valid = status == X86_OK;
    return status;
}

/* The system descriptors that LAR and LSL accept, bit n for type n (volume 2, tables 3-54 and
 * 3-57). */
#define LAR_TYPES                                                                                  \
    (1u << X86_TSS16_AVAILABLE | 1u << X86_LDT | 1u << X86_TSS16_BUSY | 1u << X86_CALL_GATE16 |    \
     1u << X86_TASK_GATE | 1u << X86_TSS32_AVAILABLE | 1u << X86_TSS32_BUSY |                      \
     1u << X86_CALL_GATE32)
#define LSL_TYPES                                                                                  \
    (1u << X86_TSS16_AVAILABLE | 1u << X86_LDT | 1u << X86_TSS16_BUSY |                            \
     1u << X86_TSS32_AVAILABLE | 1u << X86_TSS32_BUSY)

static bool may_inspect(const struct cpu_state *cpu, uint16_t selector, uint32_t high,
                        unsigned system_types)
{
    if (!(high & X86_SEG_S) && !(system_types >> x86_type(high) & 1u)) {
        return false;
    }
    return data_privilege(high, cpu->cpl, selector & X86_SELECTOR_RPL);
}

enum x86_status x86_lar(const struct cpu_state *cpu, const struct x86_memory *memory,
                        uint16_t selector, uint32_t *value, bool *valid, struct x86_event *fault)
{
    struct x86_descriptor descriptor;
    enum x86_status status = inspect(cpu, memory, selector, &descriptor, valid, fault);

    if (status == X86_OK && *valid) {
        *valid = may_inspect(cpu, selector, descriptor.high, LAR_TYPES);
        if (*valid) {
            *value = descriptor.high & X86_ATTRIBUTES;
        }
    }
    return status;
}

enum x86_status x86_lsl(const struct cpu_state *cpu, const struct x86_memory *memory,
                        uint16_t selector, uint32_t *value, bool *valid, struct x86_event *fault)
{
    struct x86_descriptor descriptor;
    enum x86_status status = inspect(cpu, memory, selector, &descriptor, valid, fault);

    if (status == X86_OK && *valid) {
        *valid = may_inspect(cpu, selector, descriptor.high, LSL_TYPES);
        if (*valid) {
            *value = x86_descriptor_limit(descriptor);
        }
    }
    return status;
}

enum x86_status x86_verify(const struct cpu_state *cpu, const struct x86_memory *memory,
                           uint16_t selector, bool write, bool *valid, struct x86_event *fault)
{
    struct x86_descriptor descriptor;
    enum x86_status status = inspect(cpu, memory, selector, &descriptor, valid, fault);

    if (status == X86_OK && *valid) {
        *valid = (write ? x86_is_writable_data(descriptor.high) : is_readable(descriptor.high)) &&
                 data_privilege(descriptor.high, cpu->cpl, selector & X86_SELECTOR_RPL);
    }
    return status;
}

bool x86_segment_contains(const struct x86_segment *segment, uint32_t offset, uint32_t size)
{
    uint32_t last = offset + size - 1;
    bool expands_down =
        (segment->attributes & (X86_SEG_S | X86_SEG_CODE | X86_SEG_DC)) == (X86_SEG_S | X86_SEG_DC);

    if (expands_down) {
        uint32_t top = (segment->attributes & X86_SEG_DB) ? UINT32_MAX : 0xffffu;
        return last >= offset && offset > segment->limit && last <= top;
    }
    /* A flat segment has no end: an access may run around the top of the address space. */
    return segment->limit == UINT32_MAX || (last >= offset && last <= segment->limit);
}

enum x86_status x86_segment_check(const struct cpu_state *cpu, enum x86_sreg sreg, uint32_t offset,
                                  uint32_t size, bool write, struct x86_event *fault)
{
    const struct x86_segment *segment = &cpu->seg[sreg];
    bool allowed = true;

    if (x86_protected(cpu)) {
        allowed =
            (segment->attributes & X86_SEG_PRESENT) &&
            (write ? x86_is_writable_data(segment->attributes) : is_readable(segment->attributes));
    }
    if (!allowed || !x86_segment_contains(segment, offset, size)) {
        uint8_t vector = sreg == X86_SS ? X86_STACK : X86_GP;
        /* Real mode has no error codes; x86_deliver leaves it out there. */
        return x86_raise(fault, vector, 0);
    }
    return X86_OK;
}
