/* What the techniques have in common that interpret supervisor code, all of it (hybrid) or some
 * (bt), and run the rest on the processor. The two halves share one virtual processor and one
 * memory, which makes three rules:
 *
 *     what the interpreter writes to page tables and descriptor tables in use, the shadows hear;
 *     what runs directly writes, the interpreter's decoded code follows (pages are *shared*);
 *     after direct execution other pages may be traced, and the processor may have translated code
 *     from pages that the interpreter knows how to write: it asks again (mixed_ran). */
#ifndef DISPATCHER_MIXED_H
#define DISPATCHER_MIXED_H

#include "dispatcher.h"
#include "interpreter/execute/cache.h"
#include "interpreter/interpreter.h"
#include "technique.h"
#include "vcpu.h"

struct mixed {
    struct interpreter_context context;
    struct x86_memory below; /* the virtual processor's own accessor */
    struct vcpu *vcpu;
    uint64_t event_time;      /* of the last event that the interpreter met */
    unsigned events;          /* without progress */
    bool alone;               /* the processor executes one instruction for the interpreter */
    bool within;              /* in an exit of the processor, which cannot be had for another one */
    bool deferred;            /* and should have executed the instruction */
    bool strayed;             /* the virtual processor is ahead of its stand-in */
    bool stale;               /* others than the interpreter have changed state or memory */
    uint32_t cr3;             /* of the cached translations */
    uint32_t epoch;           /* of the dirty log */
    uint64_t traces, learned; /* of the shadow and the processor, when they were looked at last */
    /* The guest's address space is another one (`all`), or `linear` was invalidated. May be NULL.
     */
    void (*remapped)(struct dispatcher *dispatcher, bool all, uint32_t linear);
};

/* Connects `mixed`, which is zeroed, to the VM. From then on whoever writes the guest's memory does
 * so under the eyes of the interpreter. False if the host has no memory. */
bool mixed_init(struct mixed *mixed, struct dispatcher *dispatcher);
void mixed_destroy(struct mixed *mixed);

/* Interprets until `until`, at most as far as the interpreter may go in one piece. True if the
 * run loop is to be returned to, with `stop`. */
bool mixed_interpret(struct dispatcher *dispatcher, struct mixed *mixed, uint64_t until,
                     enum cpu_stop *stop);

/* What interpreted code needs before its first instruction in a run, and the stand-in afterwards
 * (or before code runs directly). */
void mixed_begin(struct dispatcher *dispatcher, struct mixed *mixed);
void mixed_catch_up(struct dispatcher *dispatcher, struct mixed *mixed);

/* Code of the guest has run on the processor. */
void mixed_ran(struct dispatcher *dispatcher, struct mixed *mixed);

/* Ring 3 and virtual-8086 mode run directly, as under trap-and-emulate. */
bool mixed_is_user(const struct dispatcher *dispatcher);
enum cpu_stop mixed_run_user(struct dispatcher *dispatcher, struct mixed *mixed, uint64_t deadline);
enum cpu_action mixed_exit(struct dispatcher *dispatcher, struct mixed *mixed,
                           const struct cpu_exit *exit);

/* Code that runs directly may write at `linear` from now on. */
void mixed_share(const struct dispatcher *dispatcher, struct mixed *mixed, uint32_t linear,
                 bool user);

/* State or memory of the guest was changed from outside. */
void mixed_modified(struct dispatcher *dispatcher, struct mixed *mixed);

#endif
