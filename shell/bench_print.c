/* The results of `vmm bench` as a table, as JSON and as CSV. */
#include "shell/bench.h"

#include "shell/table.h"

#include <jansson.h>
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static double published(const struct bench_subject *subject, size_t operation)
{
    return subject->column == PAPER_COLUMNS
               ? 0
               : bench_paper(bench_operations[operation].name, subject->column);
}

/* By how much the model is off, in per cent of what was published. */
static double off(double cycles, double paper)
{
    return 100 * (cycles - paper) / paper;
}

static const char *const verdicts[] = {
    [ORDER_HOLDS] = "holds", [ORDER_FAILS] = "does not hold", [ORDER_UNKNOWN] = "not decided"};

/* ---- JSON ---- */

static json_t *counts_json(const struct bench_counts *n)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "indirect", n->indirect, "exceptions",
                     n->exceptions, "system_calls", n->system_calls, "interrupts", n->interrupts,
                     "ports", n->ports, "control_writes", n->control_writes, "tlb_misses",
                     n->tlb_misses);
}

static json_t *run_json(const struct bench *bench, size_t operation, size_t s)
{
    const struct bench_subject *subject = &bench->subject[s];
    const struct bench_result *result = &bench->result[operation][s];
    const struct bench_counts *n = &result->counts;
    double paper = published(subject, operation);
    if (!result->good)
        return json_pack("{s:s, s:s, s:s}", "technique", subject->name, "image", subject->image,
                         "failure", result->why);
    json_t *json = json_pack(
        "{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "technique", subject->name,
        "image", subject->image, "instructions", n->instructions, "direct", n->direct, "translated",
        n->translated, "interpreted", n->interpreted, "emulated", n->emulated, "exits",
        result->all_exits, "rooms", n->rooms, "cycles", result->cycles, "census", counts_json(n));
    if (bench->timed)
        json_object_set_new(json, "host_ns", json_real(result->host_ns));
    if (paper > 0) {
        json_object_set_new(json, "paper_cycles", json_real(paper));
        json_object_set_new(json, "error_percent", json_real(off(result->cycles, paper)));
    }
    return json;
}

static json_t *orderings_json(const struct bench *bench)
{
    json_t *array = json_array();
    for (size_t i = 0; i < bench_ordering_count; i++) {
        struct bench_check check;
        char text[64];
        bench_check(bench, &bench_orderings[i], &check);
        bench_ordering_text(&bench_orderings[i], text, sizeof text);
        json_array_append_new(
            array, json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:i, s:i, s:s}", "ordering", text,
                             "verdict", verdicts[check.verdict], "left_cycles", check.left,
                             "right_cycles", check.right, "left_exits", check.left_exits,
                             "right_exits", check.right_exits, "survived", (int)check.survived,
                             "perturbed", (int)check.perturbed, "breaks", check.breaks));
    }
    return array;
}

static json_t *primitives_json(void)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < COST_PRIMITIVES; i++)
        json_array_append_new(array, json_pack("{s:s, s:f, s:s}", "name", bench_sources[i].name,
                                               "cycles", bench_sources[i].cycles, "source",
                                               bench_sources[i].source));
    return array;
}

static bool print_json(const struct bench *bench)
{
    json_t *operations = json_array();
    for (size_t o = 0; o < BENCH_OPERATIONS; o++) {
        json_t *runs = json_array();
        for (size_t s = 0; s < bench->subjects; s++)
            json_array_append_new(runs, run_json(bench, o, s));
        json_array_append_new(operations,
                              json_pack("{s:s, s:s, s:o}", "name", bench_operations[o].name, "what",
                                        bench_operations[o].what, "runs", runs));
    }
    json_t *json = json_pack("{s:o, s:o, s:o}", "operations", operations, "orderings",
                             orderings_json(bench), "primitives", primitives_json());
    bool written = json && json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
    json_decref(json);
    return putchar('\n') != EOF && written;
}

/* ---- CSV ---- */

static bool print_csv(const struct bench *bench)
{
    puts("operation,technique,image,instructions,direct,translated,interpreted,emulated,exits,"
         "rooms,host_ns,cycles,paper_cycles");
    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        for (size_t s = 0; s < bench->subjects; s++) {
            const struct bench_subject *subject = &bench->subject[s];
            const struct bench_result *result = &bench->result[o][s];
            const struct bench_counts *n = &result->counts;
            double paper = published(subject, o);
            printf("%s,%s,%s,", bench_operations[o].name, subject->name, subject->image);
            if (!result->good) {
                puts(",,,,,,,,,");
                continue;
            }
            printf("%.3f,%.3f,%.3f,%.3f,%.3f,%.3f,%.3f,", n->instructions, n->direct, n->translated,
                   n->interpreted, n->emulated, result->all_exits, n->rooms);
            if (bench->timed)
                printf("%.1f", result->host_ns);
            printf(",%.1f,", result->cycles);
            if (paper > 0)
                printf("%.0f", paper);
            putchar('\n');
        }
    return !ferror(stdout);
}

/* ---- tables ---- */

static struct libscols_table *new_table(const char *const *columns, size_t count, size_t left)
{
    struct libscols_table *table = scols_new_table();
    for (size_t i = 0; table && i < count; i++)
        scols_table_new_column(table, columns[i], 0, i >= left ? SCOLS_FL_RIGHT : 0);
    return table;
}

/* Counts are whole numbers more often than not. */
static void set_count(struct libscols_line *line, size_t column, double value)
{
    table_cell(line, column, fabs(value - round(value)) < 5e-3 ? "%.0f" : "%.2f", value + 0.0);
}

static void fill_line(struct libscols_line *line, const struct bench *bench, size_t o, size_t s)
{
    const struct bench_subject *subject = &bench->subject[s];
    const struct bench_result *result = &bench->result[o][s];
    double paper = published(subject, o);
    table_cell(line, 0, "%s", s ? "" : bench_operations[o].name);
    table_cell(line, 1, "%s", subject->name);
    if (!result->good) {
        table_cell(line, 2, "-");
        return;
    }
    set_count(line, 2, result->counts.instructions);
    set_count(line, 3, result->all_exits);
    if (bench->timed)
        table_cell(line, 4, "%.1f", result->host_ns);
    table_cell(line, 5, "%.0f", result->cycles);
    if (paper > 0) {
        table_cell(line, 6, "%.0f", paper);
        table_cell(line, 7, "%+.0f", off(result->cycles, paper));
    }
}

static bool print_operations(const struct bench *bench)
{
    static const char *const columns[] = {"operation", "technique",    "instructions", "exits",
                                          "host ns",   "model cycles", "paper",        "error %"};
    struct libscols_table *table = new_table(columns, sizeof columns / sizeof *columns, 2);
    for (size_t o = 0; o < BENCH_OPERATIONS && table; o++)
        for (size_t s = 0; s < bench->subjects; s++) {
            struct libscols_line *line = scols_table_new_line(table, NULL);
            if (line)
                fill_line(line, bench, o, s);
        }
    bool written = table && scols_print_table(table) == 0;
    scols_unref_table(table);
    return written;
}

static bool print_orderings(const struct bench *bench)
{
    static const char *const columns[] = {
        "ordering of the paper", "here", "unless", "cycles", "exits", "survives"};
    struct libscols_table *table = new_table(columns, sizeof columns / sizeof *columns, 3);
    for (size_t i = 0; i < bench_ordering_count && table; i++) {
        struct libscols_line *line = scols_table_new_line(table, NULL);
        struct bench_check check;
        char text[64];
        if (!line)
            continue;
        bench_check(bench, &bench_orderings[i], &check);
        bench_ordering_text(&bench_orderings[i], text, sizeof text);
        table_cell(line, 0, "%s", text);
        table_cell(line, 1, "%s", verdicts[check.verdict]);
        if (check.verdict == ORDER_UNKNOWN)
            continue;
        table_cell(line, 2, "%s", check.breaks);
        table_cell(line, 3, "%.0f, %.0f", check.left, check.right);
        table_cell(line, 4, "%.4g, %.4g", check.left_exits, check.right_exits);
        table_cell(line, 5, "%u of %u", check.survived, check.perturbed);
    }
    putchar('\n');
    bool written = table && scols_print_table(table) == 0;
    scols_unref_table(table);
    return written;
}

static void print_failures(const struct bench *bench)
{
    for (size_t s = 0; s < bench->subjects; s++)
        for (size_t o = 0; o < BENCH_OPERATIONS; o++)
            if (!bench->result[o][s].good && !bench->result[o][s].absent)
                printf("\n%s, %s: %s\n", bench_operations[o].name, bench->subject[s].name,
                       bench->result[o][s].why);
}

bool bench_print(const struct bench *bench, enum format format)
{
    switch (format) {
    case FORMAT_JSON: return print_json(bench);
    case FORMAT_CSV: return print_csv(bench);
    default: break;
    }
    bool written = print_operations(bench) && print_orderings(bench);
    print_failures(bench);
    return written && !ferror(stdout);
}
