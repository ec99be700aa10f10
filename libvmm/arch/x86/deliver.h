/* Event delivery: what the processor does between an exception or interrupt and the first
 * instruction of its handler (SDM volume 3, chapter 6; INT n in volume 2; AMD APM volume 2, chapter
 * 8). Through the IDT with interrupt, trap and task gates, a stack switch through the TSS if the
 * handler is more privileged, out of virtual-8086 mode, and through the vector table in real mode.
 * Faults met on the way become the event themselves, or a double fault, or a shutdown (table 6-5).
 */
#ifndef VMM_ARCH_X86_DELIVER_H
#define VMM_ARCH_X86_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

#define X86_DELIVERY_EVENTS 6

/* What was raised on the way: `events[0]` is the event asked for, the last one is the event whose
 * handler was entered (or that could not be delivered: shutdown). */
struct x86_delivery {
    unsigned count;
    struct x86_event events[X86_DELIVERY_EVENTS];
};

/* Delivers `event` to the processor. X86_OK: `cpu` is at the handler's first instruction.
 * X86_NEED_PAGE: nothing was changed, call again with the same event. X86_SHUTDOWN: a fault while
 * delivering a double fault; `cpu` is unchanged but for CR2. `log` may be NULL.
 * One case does not restart: a handler behind a task gate whose own segments fault, after the
 * switch, if a page for delivering that fault is not at hand; the second try finds the task busy.
 *
 * `cpu->eip` is the address to return to; for X86_SOFTWARE_INTERRUPT it is the instruction's, and
 * `event->length` behind it is the address to return to. Page faults load CR2. INT n in
 * virtual-8086 mode needs IOPL 3. The EFLAGS pushed have RF set for faults. The interrupt shadow
 * ends. */
enum x86_status x86_deliver(struct cpu_state *cpu, const struct x86_memory *memory,
                            const struct x86_event *event, struct x86_delivery *log);

/* Whether the processor pushes an error code for the exception `vector` (table 6-1). */
bool x86_has_error_code(uint8_t vector);

/* Whether the exception `vector` is a fault: its handler returns to the instruction itself. */
bool x86_is_fault(uint8_t vector);

#endif
