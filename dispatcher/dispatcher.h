/* The dispatcher: Popek and Goldberg's D. It runs the processor from event to event: timers of the
 * board, interrupts, exits of the processor; and hands each exit to the technique, which decides
 * who handles it. The bare machine goes through the same loop with a technique that leaves
 * everything to the hardware. */
#ifndef DISPATCHER_DISPATCHER_H
#define DISPATCHER_DISPATCHER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine/board.h"
#include "machine/cpu.h"
#include "record.h"

struct technique;

/* Why dispatcher_run returned. */
enum dispatch_end {
    DISPATCH_EXIT,     /* port 0xF4: board->exit_code */
    DISPATCH_RESET,    /* the guest asked for a reset */
    DISPATCH_HALT,     /* HLT, and no interrupt can come */
    DISPATCH_SHUTDOWN, /* a triple fault */
    DISPATCH_LIMIT,    /* the instruction limit */
    DISPATCH_USER,     /* dispatcher->interrupted was set */
    DISPATCH_BREAK,    /* before an instruction that cpu_break_add marked */
    DISPATCH_TRAP,     /* behind a trap that the recorder was asked to stop at */
    DISPATCH_STUCK,    /* exceptions for ever */
    DISPATCH_FAILURE   /* the engine: cpu_failure */
};

struct dispatcher {
    struct cpu *cpu;
    struct board *board;
    const struct technique *technique;
    /* The guest as it believes itself to be; on the bare machine that is what is. */
    struct cpu_state *guest;
    const struct x86_memory *memory; /* guest-physical */
    struct recorder recorder;
    bool interactive; /* an idle guest may be woken by a person */
    bool halted;      /* in HLT */
    bool shutdown;
    uint64_t idle;       /* cycles that passed in HLT: time - idle instructions have retired */
    uint64_t idle_since; /* time at which the present HLT began */
    volatile sig_atomic_t interrupted;
    struct dispatch_statistics {
        uint64_t exceptions, software_interrupts, interrupts, intercepts;
    } statistics;
};

/* Connects dispatcher, processor and board: `client` becomes what cpu_init of the processor wants.
 */
void dispatcher_init(struct dispatcher *dispatcher, struct cpu *cpu, struct board *board,
                     const struct technique *technique, struct cpu_client *client);

/* Instructions retired since power-on; 0 with the host's clock. */
uint64_t dispatcher_instructions(const struct dispatcher *dispatcher);

/* Runs the guest until it ends or `instructions` have retired since power-on (UINT64_MAX: no
 * limit). May be called again after DISPATCH_LIMIT, _USER, _BREAK and _TRAP. */
enum dispatch_end dispatcher_run(struct dispatcher *dispatcher, uint64_t instructions);

#endif
