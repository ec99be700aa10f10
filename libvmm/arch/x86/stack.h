/* The stack as far transfers and event delivery use it: several words at once, in the width of the
 * stack segment (SDM volume 1, section 6.2; B flag: ESP or SP), within its limit, all or nothing.
 */
#ifndef VMM_ARCH_X86_STACK_H
#define VMM_ARCH_X86_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/* A stack that something is pushed on: the current one, or the one of a ring that is about to be
 * entered. */
struct x86_stack {
    struct x86_segment segment;
    uint32_t esp;
    bool user;           /* pushes are CPL 3's */
    uint32_t error_code; /* of the #SS if there is no room */
};

/* The current stack of `cpu`, with #SS(0). */
struct x86_stack x86_current_stack(const struct cpu_state *cpu);

/* The stack for `ring` 0 to 2 that the current TSS names, with its checks (SDM volume 2, CALL and
 * INT: #TS(TSS) beyond the TSS's limit, #TS(SS) for a wrong segment, #SS(SS) if it is not present)
 * and the segment marked accessed; its error code is the selector. Returns as x86_push. */
enum x86_status x86_inner_stack(const struct cpu_state *cpu, const struct x86_memory *memory,
                                unsigned ring, struct x86_stack *stack, struct x86_event *fault);

/* Pushes `count` (at most 40) values of `size` (2 or 4) bytes, `values[0]` first, and moves
 * `stack->esp`. X86_OK; X86_FAULT with #SS or a page fault; X86_NEED_PAGE. Nothing is written
 * unless X86_OK. */
enum x86_status x86_push(const struct cpu_state *cpu, const struct x86_memory *memory,
                         struct x86_stack *stack, const uint32_t *values, unsigned count,
                         unsigned size, struct x86_event *fault);

/* Reads `count` values of `size` (2 or 4) bytes from `skip` bytes above the top of the stack on,
 * the topmost first. Returns as x86_push. */
enum x86_status x86_stack_read(const struct cpu_state *cpu, const struct x86_memory *memory,
                               const struct x86_stack *stack, uint32_t skip, uint32_t *values,
                               unsigned count, unsigned size, struct x86_event *fault);

/* `esp` moved up or down by `bytes`, in the width of the stack segment: a 16-bit stack keeps the
 * upper half. */
uint32_t x86_stack_move(const struct x86_segment *segment, uint32_t esp, uint32_t bytes);

#endif
