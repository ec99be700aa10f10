/* The constants of the cost model, and how they are put together. See bench_model.h. */
#include "shell/bench_model.h"

#include <string.h>

/* Calibrated on the *native* column of Adams and Agesen's table (bench_paper below) and on the
 * published cost of an exit. None comes from the columns that are predicted. */
const struct bench_source bench_sources[COST_PRIMITIVES] = {
    [COST_INSTRUCTION] = {"instruction",
                          "a store into a page table takes 1 cycle: ptemod, native column", 1},
    [COST_RETURN] = {"near return",
                     "call and return take 11 cycles: callret, native column, less 2 instructions",
                     9},
    [COST_MISPREDICTED] = {"mispredicted jump",
                           "the pipeline of that processor has 31 stages (Intel, 2004)", 31},
    [COST_CONTROL_WRITE] = {"write of a control register", "cr8wr, native column", 140},
    [COST_DEVICE] = {"access to a device", "a real chipset: in, native column", 3209},
    [COST_EXCEPTION] = {"exception and IRET", "divzero, native column", 889},
    [COST_SYSTEM_CALL] = {"system call and return", "syscall, native column", 242},
    [COST_REFERENCE] = {"reference of a page walk",
                        "native pgfault less native divzero, by the two levels of a walk", 102},
    [COST_WORLD_SWITCH] = {"hardware exit and entry",
                           "1926 cycles in 2005 (Bugnion, Nieh and Tsafrir, 2017)", 1926},
    [COST_ROOM] = {"a room of the VMM",
                   "a hypercall of KVM in about 1300 cycles (Dall et al., ISCA 2016) less an exit "
                   "of that year, 507, by its two rooms",
                   400},
};

/* Lengths of code of a software VMM, in instructions: the look-up of a return in a hash table, the
 * registers saved and loaded around a call-out, an instruction simulated. */
enum { LOOKUP_LENGTH = 12, CALLOUT_LENGTH = 32, SIMULATED_LENGTH = 20 };

struct bench_costs bench_costs(void)
{
    return bench_costs_with(COST_PRIMITIVES, 1);
}

struct bench_costs bench_costs_with(enum bench_primitive changed, double factor)
{
    struct bench_costs costs;
    for (unsigned i = 0; i < COST_PRIMITIVES; i++)
        costs.cycles[i] = bench_sources[i].cycles * (i == changed ? factor : 1);
    return costs;
}

/* ---- names ---- */

static bool among(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* Exits of guest mode have AMD's names (APM volume 2, appendix C). */
static enum bench_exit vmexit(const char *name)
{
    if (strcmp(name, "IOIO") == 0)
        return EXIT_PORT;
    if (strncmp(name, "CR", 2) == 0 && strstr(name, "WRITE"))
        return EXIT_CONTROL;
    if (strcmp(name, "NPF") == 0)
        return EXIT_FAULT;
    return strncmp(name, "EXCP", 4) == 0 || strcmp(name, "INTR") == 0 ? EXIT_EVENT
                                                                      : EXIT_INSTRUCTION;
}

enum bench_exit bench_exit_of(const char *cause)
{
    static const char prefix[] = "VMEXIT_";
    static const char *const faults[] = {"hidden_fault",  "table_write",  "descriptor_write",
                                         "device_memory", "nested_fault", NULL},
                             *const events[] = {"exception", "true_fault", "software_interrupt",
                                                "interrupt", NULL},
                             *const ports[] = {"in", "in_dx", "out", "out_dx", "ins", "outs", NULL},
                             *const controls[] = {"mov_to_cr", "lmsw", "clts", NULL};
    if (strncmp(cause, prefix, sizeof prefix - 1) == 0)
        return vmexit(cause + sizeof prefix - 1);
    if (among(cause, faults))
        return EXIT_FAULT;
    if (among(cause, events))
        return EXIT_EVENT;
    if (among(cause, ports))
        return EXIT_PORT;
    return among(cause, controls) ? EXIT_CONTROL : EXIT_INSTRUCTION;
}

enum bench_kind bench_kind_of(const char *technique)
{
    static const struct {
        const char *technique;
        enum bench_kind kind;
    } kinds[] = {{"bare", KIND_BARE},
                 {"bt", KIND_TRANSLATED},
                 {"hw", KIND_HARDWARE},
                 {"interp", KIND_INTERPRETED}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].technique, technique) == 0)
            return kinds[i].kind;
    return KIND_DIRECT;
}

/* ---- the sum ---- */

static double positive(double value)
{
    return value > 0 ? value : 0;
}

/* Instructions, and what the processor's pipeline makes of jumps. An interpreter jumps to the
 * routine of each instruction; where an iteration follows another, to the one that it came from. */
static double execution(const struct bench_counts *n, const double *cost)
{
    double all = n->instructions > 0 ? n->instructions : 1;
    double lookup = cost[COST_MISPREDICTED] + LOOKUP_LENGTH * cost[COST_INSTRUCTION];
    double simulated = SIMULATED_LENGTH * cost[COST_INSTRUCTION];
    return (n->direct + n->translated) * cost[COST_INSTRUCTION] +
           (n->interpreted + n->emulated) * simulated +
           (n->interpreted - n->repeats) * cost[COST_MISPREDICTED] +
           n->indirect * (n->direct / all * cost[COST_RETURN] + n->translated / all * lookup);
}

/* Events that the processor handles without a VMM. */
static double native(const struct bench_counts *n, const double *cost)
{
    /* Those instructions that did not trap, with all that they repeat */
    double ports = n->port_instructions > 0
                       ? n->ports * positive(1 - n->exits[EXIT_PORT] / n->port_instructions)
                       : 0;
    return (n->exceptions + n->interrupts) * cost[COST_EXCEPTION] +
           n->system_calls * cost[COST_SYSTEM_CALL] +
           positive(n->control_writes - n->exits[EXIT_CONTROL]) * cost[COST_CONTROL_WRITE] +
           ports * cost[COST_DEVICE];
}

/* Ways into the VMM and back. */
static double exits(enum bench_kind kind, const struct bench_counts *n, const double *cost)
{
    double faults = n->exits[EXIT_FAULT] + n->exits[EXIT_EVENT];
    double instructions = n->exits[EXIT_PORT] + n->exits[EXIT_CONTROL] + n->exits[EXIT_INSTRUCTION];
    switch (kind) {
    case KIND_DIRECT: return (faults + instructions) * cost[COST_EXCEPTION];
    case KIND_TRANSLATED:
        return faults * cost[COST_EXCEPTION] +
               instructions *
                   (2 * cost[COST_MISPREDICTED] + CALLOUT_LENGTH * cost[COST_INSTRUCTION]);
    case KIND_HARDWARE: return (faults + instructions) * cost[COST_WORLD_SWITCH];
    default: return 0;
    }
}

double bench_cycles(enum bench_kind kind, unsigned references, const struct bench_counts *counts,
                    const struct bench_costs *costs)
{
    const double *cost = costs->cycles;
    double cycles =
        execution(counts, cost) + counts->tlb_misses * references * cost[COST_REFERENCE];
    if (kind == KIND_BARE)
        return cycles + native(counts, cost);
    cycles += exits(kind, counts, cost) + counts->rooms * cost[COST_ROOM];
    return kind == KIND_HARDWARE ? cycles + native(counts, cost) : cycles;
}

/* ---- what was published ---- */

/* Adams and Agesen, ASPLOS 2006: nanobenchmarks, cycles ("about native" is given as native), and
 * macrobenchmarks, seconds (forkwait; the build of a kernel). */
static const struct {
    const char *operation;
    double cycles[PAPER_COLUMNS];
} paper[] = {
    {"syscall", {242, 2242, 242}},    {"in", {3209, 3209.0 / 15, 15826}},
    {"crwrite", {140, 35, 140}},      {"callret", {11, 51, 11}},
    {"pgfault", {1093, 3927, 11242}}, {"divzero", {889, 3223, 1014}},
    {"ptemod", {1, 391, 12733}},      {"forkwait", {6.0, 36.9, 106.4}},
    {"compile", {265, 393, 484}},
};

double bench_paper(const char *operation, enum bench_column column)
{
    for (size_t i = 0; i < sizeof paper / sizeof *paper; i++)
        if (strcmp(paper[i].operation, operation) == 0)
            return paper[i].cycles[column];
    return 0;
}

enum bench_column bench_column_of(const char *technique, bool shadow)
{
    if (strcmp(technique, "bare") == 0)
        return PAPER_NATIVE;
    if (strcmp(technique, "bt") == 0)
        return PAPER_SOFTWARE;
    return strcmp(technique, "hw") == 0 && shadow ? PAPER_HARDWARE : PAPER_COLUMNS;
}

const struct bench_ordering bench_orderings[] = {
    {"in", PAPER_SOFTWARE, PAPER_NATIVE, LESS},
    {"in", PAPER_NATIVE, PAPER_HARDWARE, LESS},
    {"syscall", PAPER_NATIVE, PAPER_HARDWARE, EQUAL},
    {"syscall", PAPER_HARDWARE, PAPER_SOFTWARE, LESS},
    {"crwrite", PAPER_SOFTWARE, PAPER_NATIVE, LESS},
    {"crwrite", PAPER_NATIVE, PAPER_HARDWARE, EQUAL},
    {"callret", PAPER_NATIVE, PAPER_HARDWARE, EQUAL},
    {"callret", PAPER_NATIVE, PAPER_SOFTWARE, LESS},
    {"pgfault", PAPER_NATIVE, PAPER_SOFTWARE, LESS},
    {"pgfault", PAPER_SOFTWARE, PAPER_HARDWARE, LESS},
    {"divzero", PAPER_NATIVE, PAPER_HARDWARE, EQUAL},
    {"divzero", PAPER_HARDWARE, PAPER_SOFTWARE, LESS},
    {"ptemod", PAPER_NATIVE, PAPER_SOFTWARE, MUCH_LESS},
    {"ptemod", PAPER_SOFTWARE, PAPER_HARDWARE, MUCH_LESS},
    {"forkwait", PAPER_NATIVE, PAPER_SOFTWARE, LESS},
    {"forkwait", PAPER_SOFTWARE, PAPER_HARDWARE, LESS},
    {"compile", PAPER_NATIVE, PAPER_SOFTWARE, LESS},
    {"compile", PAPER_SOFTWARE, PAPER_HARDWARE, LESS},
};
const size_t bench_ordering_count = sizeof bench_orderings / sizeof *bench_orderings;

bool bench_holds(enum bench_relation relation, double left, double right)
{
    switch (relation) {
    case LESS: return left * 1.02 < right;
    case MUCH_LESS: return left * 10 <= right;
    default: return left <= right * 1.25 && right <= left * 1.25;
    }
}
