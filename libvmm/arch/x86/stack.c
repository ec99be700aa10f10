/* Pushing and reading several words at once. The common case is one run of bytes; a 16-bit stack
 * that wraps within its segment is done word by word. See stack.h. */
#include "stack.h"

#include <assert.h>
#include <string.h>

#include "descriptor.h"
#include "walk.h"

#define PUSH_MAX 40u

static uint32_t stack_mask(const struct x86_segment *segment)
{
    return (segment->attributes & X86_SEG_DB) ? UINT32_MAX : 0xffffu;
}

uint32_t x86_stack_move(const struct x86_segment *segment, uint32_t esp, uint32_t bytes)
{
    uint32_t mask = stack_mask(segment);

    return (esp & ~mask) | ((esp + bytes) & mask);
}

struct x86_stack x86_current_stack(const struct cpu_state *cpu)
{
    return (struct x86_stack){.segment = cpu->seg[X86_SS],
                              .esp = cpu->gpr[X86_ESP],
                              .user = cpu->cpl == 3 && (cpu->cr0 & X86_CR0_PE)};
}

/* SS:ESP of `ring` in the current TSS (figures 7-2 and 7-10). */
static enum x86_status read_tss_stack(const struct cpu_state *cpu, const struct x86_memory *memory,
                                      unsigned ring, uint16_t *selector, uint32_t *esp,
                                      struct x86_event *fault)
{
    bool tss32 = x86_type(cpu->tr.attributes) & 8u;
    uint32_t offset = tss32 ? 4 + ring * 8 : 2 + ring * 4;
    uint32_t size = tss32 ? 4 : 2;
    uint32_t words[2] = {0};
    enum x86_status status;

    if (offset + size + 1 > cpu->tr.limit) {
        return x86_raise(fault, X86_TS, cpu->tr.selector & ~X86_SELECTOR_RPL);
    }
    status = x86_read(cpu, memory, cpu->tr.base + offset, words, size * 2, false, fault);
    *esp = tss32 ? words[0] : words[0] & 0xffffu;
    *selector = (uint16_t)(tss32 ? words[1] : words[0] >> 16);
    return status;
}

enum x86_status x86_inner_stack(const struct cpu_state *cpu, const struct x86_memory *memory,
                                unsigned ring, struct x86_stack *stack, struct x86_event *fault)
{
    struct x86_descriptor descriptor;
    uint16_t selector = 0;
    uint32_t linear;
    uint32_t code;
    enum x86_status status;

    *stack = (struct x86_stack){.user = ring == 3};
    status = read_tss_stack(cpu, memory, ring, &selector, &stack->esp, fault);
    if (status != X86_OK) {
        return status;
    }
    code = selector & ~X86_SELECTOR_RPL;
    if (x86_selector_null(selector)) {
        return x86_raise(fault, X86_TS, code);
    }
    status = x86_descriptor_fetch(cpu, memory, selector, &descriptor, &linear, fault);
    if (status == X86_FAULT && fault->vector == X86_GP) {
        return x86_raise(fault, X86_TS, code);
    }
    if (status != X86_OK) {
        return status;
    }
    if ((selector & X86_SELECTOR_RPL) != ring || X86_SEG_DPL(descriptor.high) != ring ||
        !x86_is_writable_data(descriptor.high)) {
        return x86_raise(fault, X86_TS, code);
    }
    if (!(descriptor.high & X86_SEG_PRESENT)) {
        return x86_raise(fault, X86_STACK, code);
    }
    status = x86_descriptor_mark(cpu, memory, linear, &descriptor, fault);
    stack->segment = x86_descriptor_segment(selector, descriptor);
    stack->error_code = code;
    return status;
}

/* Calls x86_writable or x86_write for each word of a stack that wraps. */
static enum x86_status push_words(const struct cpu_state *cpu, const struct x86_memory *memory,
                                  const struct x86_stack *stack, uint32_t offset,
                                  const uint32_t *values, unsigned count, unsigned size, bool write,
                                  struct x86_event *fault)
{
    uint32_t mask = stack_mask(&stack->segment);
    enum x86_status status = X86_OK;

    for (unsigned i = 0; i < count && status == X86_OK; i++) {
        uint32_t at = (offset + (count - 1 - i) * size) & mask;
        uint32_t linear = stack->segment.base + at;

        if (!x86_segment_contains(&stack->segment, at, size)) {
            return x86_raise(fault, X86_STACK, stack->error_code);
        }
        status = write ? x86_write(cpu, memory, linear, &values[i], size, stack->user, fault)
                       : x86_writable(cpu, memory, linear, size, stack->user, fault);
    }
    return status;
}

enum x86_status x86_push(const struct cpu_state *cpu, const struct x86_memory *memory,
                         struct x86_stack *stack, const uint32_t *values, unsigned count,
                         unsigned size, struct x86_event *fault)
{
    uint32_t mask = stack_mask(&stack->segment);
    uint32_t bytes = count * size;
    uint32_t offset = (stack->esp - bytes) & mask;
    enum x86_status status;

    assert(count > 0 && count <= PUSH_MAX && (size == 2 || size == 4));
    if (offset + (bytes - 1) <= mask && offset + (bytes - 1) >= offset) {
        uint8_t frame[PUSH_MAX * 4];

        for (unsigned i = 0; i < count; i++) {
            memcpy(frame + (count - 1 - i) * size, &values[i], size);
        }
        status = x86_segment_contains(&stack->segment, offset, bytes)
                     ? x86_write(cpu, memory, stack->segment.base + offset, frame, bytes,
                                 stack->user, fault)
                     : x86_raise(fault, X86_STACK, stack->error_code);
        if (status == X86_FAULT && fault->vector == X86_PAGE) {
            /* The word that is pushed first is the one that faults first: CR2 is its address. */
            status = push_words(cpu, memory, stack, offset, values, count, size, false, fault);
        }
    } else {
        status = push_words(cpu, memory, stack, offset, values, count, size, false, fault);
        if (status == X86_OK) {
            status = push_words(cpu, memory, stack, offset, values, count, size, true, fault);
        }
    }
    if (status == X86_OK) {
        stack->esp = x86_stack_move(&stack->segment, stack->esp, 0u - bytes);
    }
    return status;
}

/* Words that lie in one run of bytes, widened in place from the last one down. */
static enum x86_status read_run(const struct cpu_state *cpu, const struct x86_memory *memory,
                                const struct x86_stack *stack, uint32_t offset, uint32_t *values,
                                unsigned count, unsigned size, struct x86_event *fault)
{
    enum x86_status status = x86_read(cpu, memory, stack->segment.base + offset, values,
                                      count * size, stack->user, fault);

    if (size == 2 && status == X86_OK) {
        for (unsigned i = count; i-- > 0;) {
            uint16_t word;
            memcpy(&word, (uint8_t *)values + i * 2, sizeof word);
            values[i] = word;
        }
    }
    return status;
}

enum x86_status x86_stack_read(const struct cpu_state *cpu, const struct x86_memory *memory,
                               const struct x86_stack *stack, uint32_t skip, uint32_t *values,
                               unsigned count, unsigned size, struct x86_event *fault)
{
    uint32_t mask = stack_mask(&stack->segment);
    uint32_t offset = (stack->esp + skip) & mask;
    uint32_t bytes = count * size;
    enum x86_status status = X86_OK;

    if (bytes > 0 && offset + (bytes - 1) <= mask && offset + (bytes - 1) >= offset &&
        x86_segment_contains(&stack->segment, offset, bytes)) {
        return read_run(cpu, memory, stack, offset, values, count, size, fault);
    }
    for (unsigned i = 0; i < count && status == X86_OK; i++) {
        uint32_t at = (offset + i * size) & mask;

        if (!x86_segment_contains(&stack->segment, at, size)) {
            return x86_raise(fault, X86_STACK, stack->error_code);
        }
        values[i] = 0;
        status =
            x86_read(cpu, memory, stack->segment.base + at, &values[i], size, stack->user, fault);
    }
    return status;
}
