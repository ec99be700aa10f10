/* The processor: the engine made into what the manual describes, and into something that keeps time
 * to the instruction. It runs guest code until a deadline in virtual time; whatever the manual
 * calls an exception, an intercept or a port access arrives at the client with the exact state, and
 * the client (a technique of the dispatcher) decides whether the hardware's own answer is wanted
 * (cpu_hardware) or the VMM's.
 *
 * Beneath the client's sight two mechanisms work: pages that hold translated code are
 * write-protected in the nested tables, so that code follows every write to it
 * (machine/codepages.c), and each block is counted as it is entered, from a table that knows how
 * many instructions it has (machine/blocks.h). */
#ifndef VMM_MACHINE_CPU_H
#define VMM_MACHINE_CPU_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/x86/decode.h"
#include "arch/x86/memory.h"
#include "arch/x86/state.h"
#include "machine/engine.h"
#include "machine/memory.h"

struct cpu;

/* What interrupts direct execution. In all of them `state.eip` is at the instruction concerned (a
 * trap such as #DB: behind it), and `time` has it not yet counted. */
enum cpu_event {
    CPU_EXCEPTION,          /* `event` describes it */
    CPU_SOFTWARE_INTERRUPT, /* INT n, INT3, INTO: `event`, the gate not yet looked at */
    CPU_INSTRUCTION,        /* an intercepted instruction: `insn` */
    CPU_NESTED_FAULT,       /* the nested tables of cpu_nest refuse `physical`, with `error` */
    CPU_SITE, /* an instruction that the client asked to see first: `insn`; CPU_RETRY executes it */
    CPU_PATCH,   /* an instruction that a trap stands in for: `insn`; never CPU_RETRY */
    CPU_STEPPED, /* after CPU_STEP: the attempt is over; if `time` is the same, something else
                    trapped, was handled, and the instruction is still to be executed */
    CPU_EVENTS
};

struct cpu_exit {
    enum cpu_event kind;
    struct x86_event event;
    struct x86_instruction insn;
    uint32_t physical; /* CPU_NESTED_FAULT: guest-physical address */
    uint32_t error;    /* enum nesting_error */
    /* CPU_NESTED_FAULT: what the hardware was delivering; NULL: an instruction made the access. */
    const struct x86_event *delivering;
    /* CPU_EXCEPTION, CPU_NESTED_FAULT: the instruction at EIP, if it is decoded already; NULL if
     * not. */
    const struct x86_instruction *known;
};

/* What the client wants done after an exit. */
enum cpu_action {
    CPU_RETRY,  /* go on; `state` was not changed */
    CPU_RESUME, /* go on with the changed `state` */
    CPU_STEP,   /* execute one instruction, `state` changed or not, then report CPU_STEPPED */
    CPU_LEAVE   /* return from cpu_run with CPU_STOP_LEFT, `state` changed or not */
};

struct cpu_client {
    void *context;
    enum cpu_action (*exit)(void *context, const struct cpu_exit *exit);
    /* RDTSC where nothing forbids it: true if the hardware is to answer it without an exit, which
     * takes half the time. May be NULL. `state` is not loaded; `now` is what is known. */
    bool (*reads_time)(void *context, const struct engine_glance *now);
    /* Port accesses that nothing forbids; `pc` is the linear address of the instruction, `now` the
     * exact time. Only cpu_freeze and cpu_rearm may be called. */
    uint32_t (*in)(void *context, uint32_t pc, uint64_t now, uint16_t port, unsigned size);
    void (*out)(void *context, uint32_t pc, uint64_t now, uint16_t port, unsigned size,
                uint32_t value);
    /* Whether the client wants to see `insn` (of a kind other than X86_KIND_OTHER) before it is
     * executed in the mode of `state`; asked when a block is first met in a mode. */
    bool (*wants)(void *context, const struct cpu_state *state, const struct x86_instruction *insn);
    /* Whether an instruction that it wants to see is never to be executed in that mode: then a trap
     * can stand in for it (CPU_PATCH), which is cheaper to meet and not limited in number. Where it
     * cannot be, CPU_SITE comes all the same. May be NULL: none. */
    bool (*patches)(void *context, const struct cpu_state *state,
                    const struct x86_instruction *insn);
    /* Code that the client has made itself, a translation of the guest's: how many of the guest's
     * instructions retire in the `size` bytes at linear address `pc`; CPU_NOT_MADE if the code is
     * the guest's own. May be NULL. */
    unsigned (*retires)(void *context, uint32_t pc, uint32_t size);
    /* Set from a signal handler: to stop where the engine next does. May be NULL. */
    const volatile sig_atomic_t *interrupted;
};
#define CPU_NOT_MADE UINT32_MAX

enum cpu_stop {
    CPU_STOP_DEADLINE, /* `time` has reached the deadline, or `interrupted` was set */
    CPU_STOP_NEAR,     /* it is inside a block that the client has made: he has to go there */
    CPU_STOP_WINDOW,   /* interrupts are enabled, and cpu_want_window had asked */
    CPU_STOP_LEFT,     /* the client returned CPU_LEAVE or called cpu_freeze */
    CPU_STOP_BREAK,    /* before an instruction that cpu_break_add marked */
    CPU_STOP_STUCK,    /* the guest raises exceptions for ever without executing an instruction */
    CPU_STOP_FAILURE   /* the engine gave up: cpu_failure says why */
};

#define CPU_VIEWS  1024u
#define CPU_BLOCKS (1u << 17)
#define CPU_OPEN   4u
#define CPU_SITES  48u
#define CPU_EXITS  64u
#define CPU_BREAKS 32u

/* Frames that can be watched at a time. */
#define CPU_WATCHES 64u

/* Frames that an epoch of the dirty log remembers by number; beyond that all are looked through. */
#define DIRTY_LISTED 1024u

struct block;
struct block_exit;
struct code_page;

/* What a block's entry reads and writes; the layout is known to machine/inline.c. */
struct cpu_entry {
    int64_t budget;         /* instructions that blocks may still be entered for */
    uint32_t block;         /* the one entered last since the last exit: its id, ENTRY_ITERATES */
    volatile uint16_t tick; /* with host_clock: the alarm's word that the host's time moved on */
    uint16_t attend;        /* with host_clock: every entry is to be attended to */
};
#define ENTRY_ITERATES 0x80000000u /* its iterations are counted one by one */

struct cpu {
    struct cpu_entry entry;
    uint64_t time;  /* virtual time: instructions retired, exact in every call of the client */
    uint64_t until; /* virtual time at which the budget is used up */
    struct block *blocks;
    uint32_t *block_sites;    /* ids of blocks by the place they are called from */
    uint32_t blocks_known;    /* ids given out */
    struct block_exit *exits; /* what is known of instructions that exit */
    struct block *block;      /* the one in which the last exit was */
    bool inside;              /* and the instruction there was not the block's first */
    uint8_t ports;            /* port instructions executed in the current block */
    uint8_t *inline_exit;     /* where inlined entries go when there is something to attend to */
    bool inline_refused;
    uint32_t forgot_pc;   /* where, and when, the TLB was last emptied for the sake of ... */
    uint64_t forgot_time; /* ... code that no table maps */
    uint32_t generation;  /* of the views */
    struct code_view {
        uint32_t tag;   /* page number and generation */
        uint32_t frame; /* machine address of the frame that it shows */
    } views[CPU_VIEWS];

    struct engine *engine;
    struct nesting *nesting;    /* the engine's */
    struct engine_image *reset; /* as it is after reset, for contexts */
    struct memory *memory;
    struct cpu_client client;
    struct x86_memory physical; /* guest-physical memory, as the hardware's microcode reaches it */
    uint32_t missing_page, missing_error; /* the last that the nested tables refused there */
    struct cpu_state state;               /* valid in `exit`, and between runs */
    bool changed;                         /* `state` differs from the engine's */
    uint64_t deadline;
    bool host_clock;           /* time is the host's: blocks are not counted */
    bool window;               /* stop when interrupts are enabled */
    bool freezing;             /* cpu_freeze was called in this port access */
    bool frozen;               /* and the state is that behind it */
    struct engine_image *kept; /* floating point and the like as they were then */

    /* Why the engine was stopped, and stepping. */
    enum cpu_halt {
        HALT_NONE,
        HALT_DEADLINE,
        HALT_WINDOW,
        HALT_LEFT,
        HALT_AGAIN, /* nothing but to run again */
        HALT_SITE,  /* a marked instruction was reached */
        HALT_BREAK, /* a breakpoint was */
        HALT_STUCK,
        HALT_STEP /* a step was attempted */
    } halt;
    uint32_t stop_pc; /* where the block call stopped it */
    bool stopped_at_block;
    enum { STEP_NO, STEP_ARMED, STEP_ENTERED } step;
    uint32_t step_pc;
    bool step_loops;  /* the instruction may go on at itself */
    bool step_shadow; /* the guest's own interrupt shadow during the step */
    bool step_traps;  /* it ends by TF, which the guest does not see, instead */
    bool step_exited; /* it ended by an exit */
    bool client_step; /* the client asked for the step */
    /* Pages that the next instruction is to be stepped with, writable: two for a store across a
     * boundary. */
    uint8_t open, opened;             /* how many are wanted, and are */
    uint32_t open_address[CPU_OPEN];  /* the machine's */
    uint32_t open_physical[CPU_OPEN]; /* the guest-physical ones that lead there */
    uint8_t *open_before;             /* what they held, one after the other */
    /* Stores of code to its own page: runs in a row of which little more was used than the store,
     * when the last run ended and the blocks learned until then, and the instructions to step. */
    uint8_t wasted, crawl;
    uint64_t wasted_time, wasted_learned;

    uint8_t nowhere[MEMORY_FRAME_SIZE]; /* stands in for missing memory */
    struct code_page **pages;           /* by machine frame; NULL: no code was translated from it */
    struct dirty_log {                  /* machine/dirty.h */
        uint32_t epoch;                 /* 0: there is no log */
        uint32_t count;                 /* frames written in this epoch */
        uint32_t listed[DIRTY_LISTED];
        uint32_t *written; /* by frame: the last epoch in which it was; 0: never */
    } dirty;
    struct cpu_watch {
        uint32_t frame;
        unsigned users;
    } watches[CPU_WATCHES]; /* frames whose writes the client wants to see, one by one */
    unsigned watch_count;
    bool watch_met;       /* such a write was stepped, by the instruction at ... */
    uint32_t watch_pc;    /* ... this linear address */
    bool translate_anew;  /* all translations go before the next run */
    bool full;            /* the code buffer is emptied before the next run */
    bool uncovered;       /* it may hold translations of no code page's */
    uintptr_t first_site; /* the lowest place in it that a block was called from */
    struct cpu_site {
        uint32_t pc;
        uint32_t frame;
        size_t handle;
        uint64_t used;
    } sites[CPU_SITES];
    struct cpu_patches {
        struct x86_instruction *insns; /* what patches stand for; 0 is none */
        uint32_t count, room;
        bool planned;   /* the next run is to place one ... */
        bool placed;    /* the block that this run begins with has one ... */
        bool in_memory; /* the trap is in guest memory, instead of ... */
        uint8_t original;
        uint8_t tries;      /* plans for `pc` in a row */
        uint32_t entry, pc; /* ... linear addresses of the block and of the instruction ... */
        uint32_t physical;  /* ... the machine address of that */
    } patches;
    uint32_t site_pass; /* the site that is executed as it is */
    bool passing;
    struct cpu_break {
        uint32_t pc;
        size_t handle;
        bool wanted; /* the client wants to see the instruction, too */
    } breaks[CPU_BREAKS];
    unsigned break_count;
    bool breaks_off; /* nobody wants to stop at them now */
    uint32_t late;   /* the block stopped at because the deadline is inside it */
    size_t approach; /* a mark at the instruction where the deadline is; 0: none */
    uint32_t approach_pc;
    uint64_t approach_time;   /* when it was set */
    bool crossing;            /* stepping to the end of a page: machine/crossing.h */
    uint32_t crossing_pc;     /* the instruction that was to be stepped */
    uint32_t break_pass;      /* no stop at this breakpoint ... */
    uint64_t break_pass_time; /* ... at this time: it was stopped at already; ... */
    uint32_t break_pass_count;
    bool break_pass_repeats; /* ... nor while it repeats, counted in ECX; ... */
    bool break_pass_once;    /* ... with the host's clock, for once */

    uint64_t resume_time; /* when RF was stored last */
    uint64_t stall_time;  /* exits since time last advanced */
    uint32_t stalls;
    uint64_t host_start; /* host nanoseconds at power-on, with host_clock */
    struct cpu_alarm {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        uint64_t at; /* host nanoseconds */
        bool running, armed, quit;
        volatile uint16_t *tick;
    } alarm;
    uint32_t dr[8]; /* debug registers: kept here, never given to the engine */
    struct {
        uint64_t code_writes, code_drops, code_steps, steps, sites, flushes, blocks_learned,
            patches;
    } statistics;
};

/* Sets the processor up over `memory`, in the state after reset. With `host_clock` blocks are not
 * counted: `time` is the host's, in cycles, wherever it is looked at. False with a sentence in
 * `why` if the host or the engine refuses. */
bool cpu_init(struct cpu *cpu, struct memory *memory, const struct cpu_client *client,
              bool host_clock, char *why, size_t room);
void cpu_destroy(struct cpu *cpu);

/* Runs until virtual time `deadline` (exactly: never past it), or whatever else stops it. */
enum cpu_stop cpu_run(struct cpu *cpu, uint64_t deadline);
const char *cpu_failure(const struct cpu *cpu);

/* Runs the one instruction that the processor is at; the client hears CPU_STEPPED behind it, or
 * whatever comes instead, and has to return CPU_LEAVE. Cheaper than a deadline, which has the code
 * translated anew. */
enum cpu_stop cpu_step(struct cpu *cpu);

/* The time now; with the host's clock it is looked at, and `time` follows. */
uint64_t cpu_now(struct cpu *cpu);

/* Marks the instruction at linear address `pc`, in every address space: cpu_run returns
 * CPU_STOP_BREAK before it is executed. The guest and its time do not notice. False if there are
 * CPU_BREAKS already or the engine refuses. Both between runs only; removing returns whether there
 * was one. */
bool cpu_break_add(struct cpu *cpu, uint32_t pc);
bool cpu_break_remove(struct cpu *cpu, uint32_t pc);

/* From now on cpu_run returns CPU_STOP_LEFT, with `watch_met`, behind each instruction of the guest
 * that has written to the machine frame `frame`; as often as it is added, it has to be removed.
 * False if there are CPU_WATCHES already. Between runs only, as cpu_look_again: the client may want
 * to see other instructions than before. */
bool cpu_watch_add(struct cpu *cpu, uint32_t frame);
void cpu_watch_remove(struct cpu *cpu, uint32_t frame);
void cpu_look_again(struct cpu *cpu);

/* The instruction that the processor is at will be executed even if it is marked. */
void cpu_break_pass(struct cpu *cpu);

/* For who executes instructions in the processor's place: whether to stop before the one that
 * `state` is at. */
bool cpu_break_here(struct cpu *cpu);

/* The state, to be changed between runs. */
struct cpu_state *cpu_modify(struct cpu *cpu);

/* Asks for CPU_STOP_WINDOW at the first boundary at which EFLAGS.IF is set and no shadow holds. */
void cpu_want_window(struct cpu *cpu, bool want);

/* In `out`: ends the run behind the port instruction being executed. Arithmetic flags are lost
 * (cleared): the engine has not evaluated them there. */
void cpu_freeze(struct cpu *cpu);

/* In `in` and `out`: the run now ends at `deadline`, if that is earlier. */
void cpu_rearm(struct cpu *cpu, uint64_t deadline);

/* Whether the hardware itself must see `insn` first, because the engine executes it otherwise than
 * the manual says: port instructions outside ring 0 (for IOPL and the bitmap), and those that this
 * processor does not have. To be asked by every client's `wants`. */
bool cpu_wants(const struct cpu_state *state, const struct x86_instruction *insn);

/* Whether `insn` loads CS from a descriptor in protected mode: JMP, CALL and RET far, and IRET. The
 * engine's own do not set accessed bits, take user stacks for the supervisor's and enter
 * virtual-8086 mode from any ring, so the microcode has them; to be wanted besides wherever the
 * guest's descriptor tables are the processor's. */
bool cpu_transfers(const struct cpu_state *state, const struct x86_instruction *insn);

/* The hardware's own answer to an exit (machine/microcode.c): delivery through the IDT, CPUID,
 * RDTSC, writes of control and debug registers, MSRs, HLT. CPU_LEAVE with *halted or *shutdown set
 * where the processor stops executing. */
struct cpu_hardware {
    bool halted, shutdown;
    struct x86_event lost; /* with shutdown: the event that it began with */
    bool faulted;    /* an instruction raised `fault`, which was delivered in its place, ... */
    bool keep_fault; /* ... unless the caller asked for it: then nothing was changed */
    struct x86_event fault;
};
enum cpu_action cpu_hardware(struct cpu *cpu, const struct cpu_exit *exit,
                             struct cpu_hardware *end);

/* Has the hardware deliver `event` through the guest's IDT (SVM's event injection). `state` is
 * changed, and to be taken as such. Returns as cpu_hardware does. */
enum cpu_action cpu_deliver(struct cpu *cpu, const struct x86_event *event,
                            struct cpu_hardware *end);

/* The client is asked about the guest-physical page that `state`'s last access did not get, while
 * the hardware delivers `event` or executes an instruction (NULL). False if it does not give it, or
 * wants to leave; but if what is done cannot be begun again, it is to `finish`, and the client
 * leaves behind it. */
bool cpu_supply(struct cpu *cpu, const struct x86_event *event, bool finish);

/* The instruction at the exit is done: `length` bytes, one unit of time. */
void cpu_retire(struct cpu *cpu, unsigned length);

/* The client has changed `size` bytes of the code at linear address `pc`, machine address
 * `machine`, within one page, that it has made for a supervisor: what was translated from them
 * goes. */
void cpu_remade(struct cpu *cpu, uint32_t pc, uint32_t machine, uint32_t size);

/* The machine frame `frame` was written behind the processor's back: its translated code goes. */
void cpu_written(struct cpu *cpu, uint32_t frame);

/* Address translation changed behind the processor's back (a switch of tables, an INVLPG). */
void cpu_flush(struct cpu *cpu);

/* The same, and translations may have lost rights or changed: the processor forgets all of them. */
void cpu_flush_tlb(struct cpu *cpu);

/* Nested paging: guest-physical addresses go through the two-level table at machine address `root`,
 * in frames that no guest has; NESTING_FLAT: they are machine addresses. What the table refuses
 * comes as CPU_NESTED_FAULT. Giving more needs nothing; after something was taken back, the same
 * call flushes. */
void cpu_nest(struct cpu *cpu, uint32_t root);

/* Several virtual machines take turns on one processor: a context holds what it is for one of them,
 * floating point, time and client included, while another has it. New contexts are those of a
 * processor after reset, with `client`. */
struct cpu_context;
struct cpu_context *cpu_context_new(struct cpu *cpu, const struct cpu_client *client);
void cpu_context_free(struct cpu_context *context);

/* Between runs: a context that holds what the processor is now. NULL if the host has no memory. */
struct cpu_context *cpu_context_save(struct cpu *cpu);

/* Between runs: puts the processor into `from` (NULL: nobody wants it back) and makes it what `to`
 * holds. */
void cpu_switch(struct cpu *cpu, struct cpu_context *from, const struct cpu_context *to);

/* Copies guest code at linear address `pc`, through the tables in force; returns how many bytes. */
unsigned cpu_fetch(struct cpu *cpu, uint32_t pc, uint8_t *bytes, unsigned count);

/* CPUID as this processor model answers: a Pentium II without APIC, SEP, PAE and PAT. */
void cpu_identify(uint32_t leaf, uint32_t result[4]);

/* Reads and writes of model-specific registers; false: no such register (#GP). */
bool cpu_read_msr(uint32_t number, uint64_t time, uint64_t *value);
bool cpu_write_msr(uint32_t number, uint64_t value);

#endif
