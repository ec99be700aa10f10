/* A deterministic cost model, so that a simulated machine can be compared with published
 * measurements: what an operation takes in *model cycles* of a Pentium 4 672 (3.8 GHz, 2005), the
 * machine of Adams and Agesen (ASPLOS 2006). Costs are of primitives alone (an instruction, an
 * exit, a reference of a page walk); how often each occurs is counted, not assumed. No operation
 * has a constant of its own, so that what comes out for a VMM is a prediction.
 *
 * The constants, each with its source, are in bench_model.c and nowhere else. */
#ifndef SHELL_BENCH_MODEL_H
#define SHELL_BENCH_MODEL_H

#include <stdbool.h>
#include <stddef.h>

enum bench_primitive {
    COST_INSTRUCTION,
    COST_RETURN,
    COST_MISPREDICTED,
    COST_CONTROL_WRITE,
    COST_DEVICE,
    COST_EXCEPTION,
    COST_SYSTEM_CALL,
    COST_REFERENCE,
    COST_WORLD_SWITCH,
    COST_ROOM,
    COST_PRIMITIVES
};

struct bench_costs {
    double cycles[COST_PRIMITIVES];
};

/* A primitive's name, its cost and where that comes from. */
struct bench_source {
    const char *name, *source;
    double cycles;
};
extern const struct bench_source bench_sources[COST_PRIMITIVES];

/* How a technique takes the processor from the guest. */
enum bench_kind {
    KIND_BARE,        /* never */
    KIND_DIRECT,      /* by exceptions into ring 0 */
    KIND_TRANSLATED,  /* by calls out of a code cache; by exceptions where it does not translate */
    KIND_HARDWARE,    /* by world switches */
    KIND_INTERPRETED, /* it never gives it to the guest */
};

/* What traps, as far as the model tells it apart. */
enum bench_exit {
    EXIT_FAULT,       /* the VMM's own: hidden faults and traced writes */
    EXIT_EVENT,       /* exceptions, software interrupts and interrupts of the guest */
    EXIT_PORT,        /* port accesses */
    EXIT_CONTROL,     /* writes of control registers */
    EXIT_INSTRUCTION, /* any other instruction */
    EXIT_KINDS
};

/* What one operation consists of: averages. */
struct bench_counts {
    /* by architecture, counted on the bare machine */
    double indirect, exceptions, system_calls, interrupts, control_writes, tlb_misses;
    double ports, port_instructions; /* REP INS is one of these, and many of those */
    /* by technique */
    double instructions, direct, translated, interpreted, emulated;
    double repeats; /* of `interpreted`: iterations that the next one of the same followed */
    double exits[EXIT_KINDS], rooms; /* rooms of the VMM that its traps passed through */
};

/* The costs as they are, and with primitive `changed` times `factor`. */
struct bench_costs bench_costs(void);
struct bench_costs bench_costs_with(enum bench_primitive changed, double factor);

/* Which kind of trap a record's cause is. */
enum bench_exit bench_exit_of(const char *cause);

/* The technique's kind; unknown ones count as KIND_DIRECT. */
enum bench_kind bench_kind_of(const char *technique);

/* Model cycles of one operation. `references` is how many memory references a TLB miss costs: 2, or
 * 8 with nested tables of two levels (Bhargava et al., ASPLOS 2008). */
double bench_cycles(enum bench_kind kind, unsigned references, const struct bench_counts *counts,
                    const struct bench_costs *costs);

/* ---- what was published ---- */

/* Columns of Adams and Agesen's tables. */
enum bench_column { PAPER_NATIVE, PAPER_SOFTWARE, PAPER_HARDWARE, PAPER_COLUMNS };

/* What an operation takes there: cycles of a nanobenchmark, seconds of a macrobenchmark; 0 if it is
 * not there. */
double bench_paper(const char *operation, enum bench_column column);

/* The column that a technique reproduces, PAPER_COLUMNS if none. `shadow`: with shadow page tables.
 */
enum bench_column bench_column_of(const char *technique, bool shadow);

/* An ordering of the paper, of techniques by the cost of one operation, and its result in words. */
struct bench_ordering {
    const char *operation;
    enum bench_column left, right;
    enum bench_relation { LESS, MUCH_LESS, EQUAL } relation;
};
extern const struct bench_ordering bench_orderings[];
extern const size_t bench_ordering_count;

/* Whether `left` and `right`, cycles, are ordered so: LESS by a fiftieth, MUCH_LESS by ten times,
 * EQUAL within a quarter. */
bool bench_holds(enum bench_relation relation, double left, double right);

#endif
