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
#ifndef WITHOUT_deliver
enum x86_status x86_deliver(struct cpu_state *cpu, const struct x86_memory *memory,
                            const struct x86_event *event, struct x86_delivery *log);
#else
/* In a build without it no event is delivered but by a module from outside. */
#define x86_deliver x86_no_delivery
#define x86_nested  x86_no_nesting
static inline enum x86_status x86_deliver(struct cpu_state *cpu, const struct x86_memory *memory,
                                          const struct x86_event *event, struct x86_delivery *log)
{
    (void)cpu;
    (void)memory;
    if (log) {
        log->count = 1;
        log->events[0] = *event;
    }
    return X86_SHUTDOWN;
}
#endif

/* What an exception during the delivery of another event comes to (table 6-5). */
enum x86_nested {
    X86_NESTED_SECOND, /* it is delivered instead */
    X86_NESTED_DOUBLE_FAULT,
    X86_NESTED_SHUTDOWN,
    X86_NESTED_MISSING, /* nobody knows: this build leaves delivery out */
    X86_NESTED_ENDS
};
#ifndef WITHOUT_deliver
enum x86_nested x86_nested(const struct x86_event *first, const struct x86_event *second);
#else
static inline enum x86_nested x86_nested(const struct x86_event *first,
                                         const struct x86_event *second)
{
    (void)first;
    (void)second;
    return X86_NESTED_MISSING;
}
#endif

/* Whether the processor pushes an error code for the exception `vector` (table 6-1). */
static inline bool x86_has_error_code(uint8_t vector)
{
    return vector == X86_DF_ABORT || (vector >= X86_TS && vector <= X86_PAGE) ||
           vector == X86_ALIGNMENT;
}

/* Whether the exception `vector` is a fault: its handler returns to the instruction itself. */
static inline bool x86_is_fault(uint8_t vector)
{
    return vector != X86_DB && vector != X86_NMI && vector != X86_BP && vector != X86_OVERFLOW &&
           vector != X86_DF_ABORT && vector != X86_MC && vector < 32;
}

#endif
