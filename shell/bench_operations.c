/* What `vmm bench` measures, and what is found by putting results side by side: the nanobenchmarks
 * of Adams and Agesen (ASPLOS 2006, section 6.3) with a few more, and macrobenchmarks after theirs
 * (section 6.2): the creation of processes, a compilation, and input and output. */
#include "shell/bench.h"

#include <stdio.h>
#include <string.h>

#define NANO                                                                                       \
    .suite = SUITE_NANO, .image = "nano", .virtualizable = "nano-virt", .paravirtual = "nano-para"

const struct bench_operation bench_operations[BENCH_OPERATIONS] = {
    {"syscall", "INT 0x80 from ring 3, and IRET", 400, NANO},
    {"in", "IN from port 0x80", 400, NANO},
    {"crwrite", "MOV to CR0, TS toggled", 400, NANO},
    {"callret", "near CALL and RET", 2000, NANO},
    {"pgfault", "page fault of the kernel, and IRET", 400, NANO},
    {"divzero", "divide error of the kernel, and IRET", 400, NANO},
    {"ptemod", "an entry of a page table in use changed", 400, NANO},
    {"ptebatch", "64 of them changed, then CR3 reloaded", 40, NANO},
    {"ctxswitch", "CR3 and stack switched, 8 pages read", 200, NANO},
    {"tick", "HLT, timer interrupt, end of interrupt, IRET", 100, NANO},
    {"hypercall", "the plainest call of the VMM: CPUID, or a hypercall", 400, NANO},
    {"flags", "interrupt flag saved, cleared, restored", 400, NANO},
    {"fork", "64 pages copied on write, 8 of them written", 20, NANO},
    {"forkwait", "a process forked, ended and waited for by our small kernel", 4,
     .suite = SUITE_MACRO, .guest = GUEST_KERNEL, .image = "kernel", .virtualizable = "kernel-virt",
     .paravirtual = "kernel-para", .each = 16},
    {"compile",
     "a compilation of text under Debian's Linux: 4 units, each through 5 processes, linked", 40,
     .suite = SUITE_MACRO, .guest = GUEST_LINUX, .image = "vmlinuz", .virtualizable = "vmlinuz"},
    {"disk", "a sector read by REP INSB, and a line on the serial port that it is polled for", 32,
     .suite = SUITE_MACRO, .guest = GUEST_DISK, .image = "disk", .virtualizable = "disk"},
};

bool bench_wants(const struct bench *bench, enum bench_suite suite)
{
    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        if (bench->wanted[o] && bench_operations[o].suite == suite)
            return true;
    return false;
}

size_t bench_operation_of(const char *name)
{
    size_t o = 0;
    while (o < BENCH_OPERATIONS && strcmp(bench_operations[o].name, name) != 0)
        o++;
    return o;
}

/* ---- beside the bare machine, and beside the paper ---- */

static double ratio(double value, double to)
{
    return to > 0 ? value / to : 0;
}

double bench_over_bare(const struct bench *bench, size_t operation, size_t subject)
{
    const struct bench_result *results = bench->result[operation];
    return results[0].good ? ratio(results[subject].cycles, results[0].cycles) : 0;
}

double bench_host_over_bare(const struct bench *bench, size_t operation, size_t subject)
{
    const struct bench_result *results = bench->result[operation];
    return results[0].good ? ratio(results[subject].host_ns, results[0].host_ns) : 0;
}

double bench_published(const struct bench *bench, size_t operation, size_t subject)
{
    enum bench_column column = bench->subject[subject].column;
    const char *name = bench_operations[operation].name;
    if (column == PAPER_COLUMNS)
        return 0;
    double native = bench_paper(name, PAPER_NATIVE), value = bench_paper(name, column);
    return bench_operations[operation].suite == SUITE_NANO ? value : ratio(value, native);
}

double bench_error(const struct bench *bench, size_t operation, size_t subject)
{
    double paper = bench_published(bench, operation, subject);
    double ours = bench_operations[operation].suite == SUITE_NANO
                      ? bench->result[operation][subject].cycles
                      : bench_over_bare(bench, operation, subject);
    return paper > 0 ? 100 * (ours - paper) / paper : 0;
}

/* ---- orderings ---- */

const struct bench_subject *bench_subject_of(const struct bench *bench, enum bench_column column)
{
    for (size_t s = 0; s < bench->subjects; s++)
        if (bench->subject[s].column == column)
            return &bench->subject[s];
    return NULL;
}

void bench_ordering_text(const struct bench_ordering *ordering, char *text, size_t room)
{
    static const char *const columns[] = {"native", "software VMM", "hardware VMM"};
    static const char *const relations[] = {[LESS] = "<", [MUCH_LESS] = "<<", [EQUAL] = "="};
    snprintf(text, room, "%s: %s %s %s", ordering->operation, columns[ordering->left],
             relations[ordering->relation], columns[ordering->right]);
}

static const struct bench_result *result_of(const struct bench *bench, const char *operation,
                                            const struct bench_subject *subject)
{
    return &bench->result[bench_operation_of(operation)][subject - bench->subject];
}

static bool holds_with(const struct bench_ordering *ordering, const struct bench_subject *left,
                       const struct bench_result *l, const struct bench_subject *right,
                       const struct bench_result *r, const struct bench_costs *costs)
{
    return bench_holds(ordering->relation,
                       bench_cycles(left->kind, left->references, &l->counts, costs),
                       bench_cycles(right->kind, right->references, &r->counts, costs));
}

void bench_check(const struct bench *bench, const struct bench_ordering *ordering,
                 struct bench_check *check)
{
    static const double factors[] = {0.7, 1.3};
    const struct bench_subject *left = bench_subject_of(bench, ordering->left),
                               *right = bench_subject_of(bench, ordering->right);
    *check = (struct bench_check){.verdict = ORDER_UNKNOWN};
    if (!left || !right)
        return;
    const struct bench_result *l = result_of(bench, ordering->operation, left),
                              *r = result_of(bench, ordering->operation, right);
    if (!l->good || !r->good)
        return;
    check->left = l->cycles;
    check->right = r->cycles;
    check->left_exits = l->all_exits;
    check->right_exits = r->all_exits;
    bool holds = bench_holds(ordering->relation, l->cycles, r->cycles);
    check->verdict = holds ? ORDER_HOLDS : ORDER_FAILS;
    for (unsigned primitive = 0; primitive < COST_PRIMITIVES; primitive++)
        for (unsigned f = 0; f < 2; f++) {
            const struct bench_costs costs = bench_costs_with(primitive, factors[f]);
            check->perturbed++;
            if (holds_with(ordering, left, l, right, r, &costs) == holds) {
                check->survived++;
                continue;
            }
            size_t used = strlen(check->breaks);
            snprintf(check->breaks + used, sizeof check->breaks - used, "%s%s %s", used ? ", " : "",
                     bench_sources[primitive].name, f ? "+30 %" : "-30 %");
        }
}
