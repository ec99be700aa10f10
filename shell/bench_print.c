/* The results of `vmm bench` as a table, as JSON and as CSV. */
#include "shell/bench.h"

#include "shell/table.h"

#include <jansson.h>
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

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
    double paper = bench_published(bench, operation, s);
    bool macro = bench_operations[operation].suite == SUITE_MACRO;
    if (!result->good)
        return json_pack("{s:s, s:s, s:s}", "technique", subject->name, "image", result->image,
                         "failure", result->why);
    json_t *json =
        json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "technique",
                  subject->name, "image", result->image, "instructions", n->instructions, "direct",
                  n->direct, "translated", n->translated, "interpreted", n->interpreted, "repeats",
                  n->repeats, "emulated", n->emulated, "exits", result->all_exits, "rooms",
                  n->rooms, "cycles", result->cycles, "census", counts_json(n));
    if (bench->timed)
        json_object_set_new(json, "host_ns", json_real(result->host_ns));
    if (macro)
        json_object_set_new(json, "over_bare", json_real(bench_over_bare(bench, operation, s)));
    if (macro && bench->timed)
        json_object_set_new(json, "host_over_bare",
                            json_real(bench_host_over_bare(bench, operation, s)));
    if (paper > 0) {
        json_object_set_new(json, macro ? "paper_over_native" : "paper_cycles", json_real(paper));
        json_object_set_new(json, "error_percent", json_real(bench_error(bench, operation, s)));
    }
    return json;
}

static json_t *orderings_json(const struct bench *bench)
{
    json_t *array = json_array();
    for (size_t i = 0; i < bench_ordering_count; i++) {
        struct bench_check check;
        char text[64];
        if (!bench->wanted[bench_operation_of(bench_orderings[i].operation)])
            continue;
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
        if (!bench->wanted[o])
            continue;
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

/* A number, or nothing where there is none. */
static void print_number(const char *format, double value)
{
    putchar(',');
    if (value > 0)
        printf(format, value);
}

static void print_row(const struct bench *bench, size_t o, size_t s)
{
    const struct bench_result *result = &bench->result[o][s];
    const struct bench_counts *n = &result->counts;
    bool macro = bench_operations[o].suite == SUITE_MACRO;
    double paper = bench_published(bench, o, s);
    printf("%s,%s,%s,", bench_operations[o].name, bench->subject[s].name, result->image);
    if (!result->good) {
        puts(",,,,,,,,,,,,");
        return;
    }
    printf("%.3f,%.3f,%.3f,%.3f,%.3f,%.3f,%.3f", n->instructions, n->direct, n->translated,
           n->interpreted, n->emulated, result->all_exits, n->rooms);
    print_number("%.1f", bench->timed ? result->host_ns : 0);
    printf(",%.1f", result->cycles);
    print_number("%.0f", macro ? 0 : paper);
    print_number("%.3f", macro ? bench_over_bare(bench, o, s) : 0);
    print_number("%.3f", macro && bench->timed ? bench_host_over_bare(bench, o, s) : 0);
    print_number("%.3f", macro ? paper : 0);
    putchar('\n');
}

static bool print_csv(const struct bench *bench)
{
    puts("operation,technique,image,instructions,direct,translated,interpreted,emulated,exits,"
         "rooms,host_ns,cycles,paper_cycles,over_bare,host_over_bare,paper_over_native");
    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        for (size_t s = 0; s < bench->subjects && bench->wanted[o]; s++)
            print_row(bench, o, s);
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
    const struct bench_result *result = &bench->result[o][s];
    bool macro = bench_operations[o].suite == SUITE_MACRO;
    double paper = bench_published(bench, o, s);
    size_t column = 6;
    table_cell(line, 0, "%s", s ? "" : bench_operations[o].name);
    table_cell(line, 1, "%s", bench->subject[s].name);
    if (!result->good) {
        table_cell(line, 2, "-");
        return;
    }
    set_count(line, 2, result->counts.instructions);
    set_count(line, 3, result->all_exits);
    if (bench->timed)
        table_cell(line, 4, "%.*f", macro ? 0 : 1, result->host_ns);
    table_cell(line, 5, "%.0f", result->cycles);
    if (macro && bench->timed)
        table_cell(line, column, "%.2f", bench_host_over_bare(bench, o, s));
    if (macro)
        table_cell(line, column + 1, "%.2f", bench_over_bare(bench, o, s));
    column += macro ? 2 : 0;
    if (paper > 0) {
        table_cell(line, column, macro ? "%.2f" : "%.0f", paper);
        table_cell(line, column + 1, "%+.0f", bench_error(bench, o, s));
    }
}

static bool print_operations(const struct bench *bench, enum bench_suite suite)
{
    static const char *const nano[] = {"operation", "technique",    "instructions", "exits",
                                       "host ns",   "model cycles", "paper",        "error %"},
                             *const macro[] = {
                                 "operation",    "technique", "instructions", "exits",   "host ns",
                                 "model cycles", "host x",    "model x",      "paper x", "error %"};
    struct libscols_table *table = suite == SUITE_NANO
                                       ? new_table(nano, sizeof nano / sizeof *nano, 2)
                                       : new_table(macro, sizeof macro / sizeof *macro, 2);
    for (size_t o = 0; o < BENCH_OPERATIONS && table; o++)
        for (size_t s = 0; s < bench->subjects; s++) {
            struct libscols_line *line = NULL;
            if (bench->wanted[o] && bench_operations[o].suite == suite)
                line = scols_table_new_line(table, NULL);
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
        struct libscols_line *line = NULL;
        if (bench->wanted[bench_operation_of(bench_orderings[i].operation)])
            line = scols_table_new_line(table, NULL);
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
    bool written = table && scols_print_table(table) == 0;
    scols_unref_table(table);
    return written;
}

/* What is wrong, once for all techniques that it is wrong with. */
static void print_failures(const struct bench *bench, size_t o)
{
    for (size_t s = 0; s < bench->subjects; s++) {
        const struct bench_result *results = bench->result[o];
        bool told = results[s].good || results[s].absent;
        for (size_t i = 0; i < s && !told; i++)
            told = !results[i].good && strcmp(results[i].why, results[s].why) == 0;
        if (told)
            continue;
        printf("\n%s, %s", bench_operations[o].name, bench->subject[s].name);
        for (size_t i = s + 1; i < bench->subjects; i++)
            if (!results[i].good && !results[i].absent &&
                strcmp(results[i].why, results[s].why) == 0)
                printf(", %s", bench->subject[i].name);
        printf(": %s\n", results[s].why);
    }
}

bool bench_print(const struct bench *bench, enum format format)
{
    switch (format) {
    case FORMAT_JSON: return print_json(bench);
    case FORMAT_CSV: return print_csv(bench);
    default: break;
    }
    bool written = true;
    for (unsigned suite = 0; suite < SUITES; suite++)
        if (bench_wants(bench, suite))
            written = written && print_operations(bench, suite) && putchar('\n') != EOF;
    written = written && print_orderings(bench);
    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        if (bench->wanted[o])
            print_failures(bench, o);
    return written && !ferror(stdout);
}
