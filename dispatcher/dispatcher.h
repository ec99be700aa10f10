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
#include "modules.h"
#include "record.h"

struct ports;
struct technique;
struct vcpu;

/* Places of silent sensitive instructions that are remembered. */
#define DISPATCH_SILENT 64u

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
    DISPATCH_WATCH,    /* behind an instruction that changed what is watched */
    DISPATCH_STUCK,    /* exceptions for ever */
    DISPATCH_DIVERGED, /* a silent sensitive instruction: dispatcher->silent[0] */
    DISPATCH_REFUSED,  /* the VMM cannot go on: dispatcher->reason */
    DISPATCH_FAILURE   /* the engine: cpu_failure */
};

struct dispatcher {
    struct cpu *cpu;
    struct board *board;
    const struct technique *technique;
    /* The guest as it believes itself to be; on the bare machine that is what is. */
    struct cpu_state *guest;
    const struct x86_memory *memory; /* guest-physical */
    /* What the guest's CR3 and page tables have addresses of: the same, but for a guest whose
     * tables are the processor's own, and hold machine addresses. */
    const struct x86_memory *linear;
    struct recorder recorder;
    struct dispatch_watch {
        /* Whether something that is watched has changed, by the instruction at linear address `at`
         * it would be; asked wherever that may be. NULL: nothing is watched. */
        bool (*met)(void *context, uint32_t at);
        /* Which instructions may change it without an exit; NULL: none that the technique does not
         * exit at. */
        bool (*wants)(void *context, const struct x86_instruction *insn);
        void *context;
        uint32_t at;
        bool hit, stepping;
        /* The guest-physical pages that are watched for writes, be anybody told of them or not. */
        const uint32_t *pages;
        unsigned page_count;
        bool closely; /* something may change without an exit, and at any instruction: IF, EAX */
    } watch;
    bool watch_marks;     /* there may be marks that `watch.wants` asked for */
    void *own;            /* the technique's */
    uint64_t interpreted; /* instructions that the full interpreter executed */
    uint64_t repeats;     /* of these: iterations that were not the last */
    uint64_t translated;  /* instructions that were executed as their translation */
    uint32_t code_cache;  /* bytes that translations may take; 0: as many as there is room for */
    /* What the technique virtualizes with; NULL on the bare machine. */
    struct vcpu *vcpu;
    const struct ports *ports;
    struct dispatch_modules modules;
    uint16_t owner;             /* the VM's number for the allocator */
    bool keep_going;            /* count silent sensitive instructions, and let them run */
    bool diverged;              /* one is about to run */
    bool refused;               /* the VMM cannot go on */
    char reason[160];           /* why, without a full stop */
    uint64_t emulated;          /* instructions that interpreter routines simulated */
    uint64_t patched;           /* places whose instruction was rewritten to trap */
    struct {                    /* nested page faults: hw_walk.c */
        uint64_t pages, tables; /* that the guest, or the processor for it, did not reach */
        uint64_t references;    /* that the walks to those pages make in two dimensions */
    } walks;
    struct silent_place {
        const char *name; /* the manual's mnemonic */
        uint32_t linear;
        uint8_t ring;
        uint64_t count;
    } silent[DISPATCH_SILENT]; /* in the order in which they were met */
    unsigned silent_count;
    uint64_t silent_time;  /* when the last one was met */
    uint64_t silent_total; /* executions, at places forgotten too */
    bool running;          /* in dispatcher_run */
    uint64_t time;         /* virtual time when it returned last */
    bool interactive;      /* an idle guest may be woken by a person */
    bool halted;           /* in HLT */
    bool shutdown;
    struct x86_event lost; /* with shutdown: the event that it began with */
    uint64_t idle;       /* cycles that passed in HLT: time - idle instructions have retired */
    uint64_t idle_since; /* time at which the present HLT began */
    volatile sig_atomic_t interrupted;
    struct dispatch_statistics {
        uint64_t exceptions, software_interrupts, interrupts, intercepts;
    } statistics;
};

/* `client` becomes what cpu_init of the processor wants; then dispatcher_use connects the two, with
 * a guest that is what the processor is. */
void dispatcher_init(struct dispatcher *dispatcher, struct board *board,
                     const struct technique *technique, struct cpu_client *client);
void dispatcher_use(struct dispatcher *dispatcher, struct cpu *cpu);

/* The guest cannot be run on: it ends with DISPATCH_REFUSED and `reason`, a sentence without a full
 * stop, which is copied. */
void dispatcher_refuse(struct dispatcher *dispatcher, const char *reason);

/* Whether what is watched has changed: for who executes instructions in the processor's place,
 * behind the one at linear address `at`. */
bool dispatcher_watch_met(struct dispatcher *dispatcher, uint32_t at);

/* Frees what the technique has. */
void dispatcher_destroy(struct dispatcher *dispatcher);

/* Virtual time of this guest, whoever has the processor now. */
uint64_t dispatcher_time(const struct dispatcher *dispatcher);

/* Instructions retired since power-on; 0 with the host's clock. */
uint64_t dispatcher_instructions(const struct dispatcher *dispatcher);

/* Runs the guest until it ends or `instructions` have retired since power-on (UINT64_MAX: no
 * limit). May be called again after DISPATCH_LIMIT, _USER, _BREAK and _TRAP. */
enum dispatch_end dispatcher_run(struct dispatcher *dispatcher, uint64_t instructions);

#endif
