/* Printing statistics. The exits are in the order in which causes are defined, in JSON and CSV; the
 * table has the most frequent first, as `perf kvm stat` has them. */
#include "shell/statistics.h"

#include "shell/table.h"

#include <vmm/debug.h>
#include <vmm/record.h>
#include <vmm/translate.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

enum { MOST_CAUSES = 256 };

struct exits {
    struct vmm_cause_count causes[MOST_CAUSES];
    size_t count;
    uint64_t total, ns_total;
};

/* What is printed of one VM. */
struct report {
    struct vmm_statistics statistics;
    struct exits exits;
    char digest[24];
    unsigned masked;
};

static void collect_exits(struct exits *exits, const struct vmm_vm *vm)
{
    *exits = (struct exits){0};
    while (exits->count < MOST_CAUSES &&
           vmm_cause(vm, exits->count, &exits->causes[exits->count])) {
        exits->total += exits->causes[exits->count].count;
        exits->ns_total += exits->causes[exits->count].ns_total;
        exits->count++;
    }
}

static void collect(struct report *report, const struct vmm_vm *vm)
{
    vmm_statistics(vm, &report->statistics);
    collect_exits(&report->exits, vm);
    snprintf(report->digest, sizeof report->digest, "0x%016" PRIx64, vmm_digest(vm));
    report->masked = vmm_digest_masked(vm);
}

static double share(uint64_t part, uint64_t total)
{
    return total ? (double)part / (double)total : 0;
}

static double mean(const struct vmm_cause_count *cause)
{
    return share(cause->ns_total, cause->count);
}

/* ---- JSON ---- */

static json_t *exits_json(const struct exits *exits)
{
    json_t *array = json_array();
    for (size_t i = 0; i < exits->count; i++) {
        const struct vmm_cause_count *cause = &exits->causes[i];
        json_array_append_new(
            array, json_pack("{s:s, s:I, s:f, s:I, s:f}", "cause", cause->cause, "count",
                             (json_int_t)cause->count, "share", share(cause->count, exits->total),
                             "ns_total", (json_int_t)cause->ns_total, "ns_mean", mean(cause)));
    }
    return array;
}

static json_t *silent_json(const struct vmm_vm *vm)
{
    json_t *array = json_array();
    struct vmm_silent silent;
    for (size_t i = 0; vmm_silent(vm, i, &silent); i++) {
        char address[16];
        snprintf(address, sizeof address, "0x%08" PRIx32, silent.linear);
        json_array_append_new(array, json_pack("{s:s, s:s, s:i, s:I}", "mnemonic", silent.mnemonic,
                                               "address", address, "ring", silent.ring, "count",
                                               (json_int_t)silent.count));
    }
    return array;
}

/* What binary translation came to; NULL (left away) under another technique. */
static json_t *translation_json(const struct vmm_vm *vm)
{
    struct vmm_translation t;
    if (!vmm_translation(vm, &t))
        return NULL;
    const struct {
        const char *name;
        uint64_t value;
    } all[] = {{"units", t.units},
               {"live", t.live},
               {"guest_bytes", t.guest_bytes},
               {"cache_bytes", t.cache_bytes},
               {"identical", t.identical},
               {"inline", t.inlined},
               {"branches", t.branches},
               {"indirect", t.indirect},
               {"call_outs", t.call_outs},
               {"called_out", t.called_out},
               {"chains", t.chains},
               {"lookups", t.lookups},
               {"hits", t.hits},
               {"misses", t.misses},
               {"killed", t.killed},
               {"flushes", t.flushes},
               {"bans", t.bans},
               {"cache_used", t.cache_used},
               {"cache_size", t.cache_size}};
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        json_object_set_new(object, all[i].name, json_integer((json_int_t)all[i].value));
    json_object_set_new(object, "expansion", json_real(share(t.cache_bytes, t.guest_bytes)));
    return object;
}

/* NULL if there are no nested page tables. */
static json_t *nested_json(const struct vmm_vm *vm)
{
    struct vmm_nested_walks walks;
    if (!vmm_nested_walks(vm, &walks))
        return NULL;
    return json_pack("{s:I, s:I, s:I, s:f, s:I, s:I}", "misses", (json_int_t)walks.pages,
                     "guest_tables", (json_int_t)walks.tables, "references",
                     (json_int_t)walks.references, "references_per_miss",
                     share(walks.references, walks.pages), "fills", (json_int_t)walks.fills,
                     "frames", (json_int_t)walks.frames);
}

static void print_nested(FILE *to, const struct vmm_vm *vm)
{
    struct vmm_nested_walks walks;
    if (vmm_nested_walks(vm, &walks))
        fprintf(to,
                "\n%" PRIu64 " TLB misses seen, %.2f references each, %" PRIu64
                " guest page tables missed on the way",
                walks.pages, share(walks.references, walks.pages), walks.tables);
}

static json_t *vm_json(const struct vmm_vm *vm)
{
    struct report report;
    const struct vmm_statistics *s = &report.statistics;
    collect(&report, vm);
    return json_pack(
        "{s:s, s:s, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o*, s:o*, s:o, s:o, s:I, s:s, "
        "s:i}",
        "technique", s->technique, "stop", vmm_stop_name(s->stop), "exit_code",
        (json_int_t)s->exit_code, "status", s->status, "guest_instructions",
        (json_int_t)s->guest_instructions, "direct", (json_int_t)s->direct, "translated",
        (json_int_t)s->translated, "interpreted", (json_int_t)s->interpreted, "emulated",
        (json_int_t)s->emulated, "patched", (json_int_t)s->patched, "virtual_time",
        (json_int_t)s->virtual_time, "translation", translation_json(vm), "nested_walks",
        nested_json(vm), "exits", exits_json(&report.exits), "silent", silent_json(vm), "host_ns",
        (json_int_t)s->host_ns, "digest", report.digest, "digest_masked", (int)report.masked);
}

static bool print_json(FILE *to, const struct vmm_vm *const *vms, size_t count)
{
    json_t *json = vm_json(vms[0]), *beside = count > 1 ? json_array() : NULL;
    for (size_t i = 1; i < count; i++)
        json_array_append_new(beside, vm_json(vms[i]));
    if (beside)
        json_object_set_new(json, "beside", beside);
    bool written = json && json_dumpf(json, to, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
    written = fputc('\n', to) != EOF && written;
    json_decref(json);
    return written;
}

/* ---- CSV ---- */

static bool print_csv(FILE *to, const struct vmm_vm *const *vms, size_t count)
{
    fprintf(to, "%scause,count,share,ns_total,ns_mean\n", count > 1 ? "vm," : "");
    for (size_t vm = 0; vm < count; vm++) {
        struct exits exits;
        collect_exits(&exits, vms[vm]);
        for (size_t i = 0; i < exits.count; i++) {
            const struct vmm_cause_count *cause = &exits.causes[i];
            if (count > 1)
                fprintf(to, "%zu,", vm);
            fprintf(to, "%s,%" PRIu64 ",%.6f,%" PRIu64 ",%.1f\n", cause->cause, cause->count,
                    share(cause->count, exits.total), cause->ns_total, mean(cause));
        }
    }
    return !ferror(to);
}

/* ---- the table ---- */

static int by_count(const void *a, const void *b)
{
    const struct vmm_cause_count *left = a, *right = b;
    return left->count < right->count ? 1 : left->count > right->count ? -1 : 0;
}

static bool print_exits(FILE *to, struct exits *exits)
{
    static const char *const columns[] = {"exit", "count", "count %", "time %", "mean ns"};
    struct libscols_table *table = scols_new_table();
    if (!table)
        return false;
    scols_table_set_stream(table, to);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        scols_table_new_column(table, columns[i], 0, i ? SCOLS_FL_RIGHT : 0);
    qsort(exits->causes, exits->count, sizeof *exits->causes, by_count);
    for (size_t i = 0; i < exits->count; i++) {
        const struct vmm_cause_count *cause = &exits->causes[i];
        struct libscols_line *line = scols_table_new_line(table, NULL);
        if (!line)
            break;
        table_cell(line, 0, "%s", cause->cause);
        table_cell(line, 1, "%" PRIu64, cause->count);
        table_cell(line, 2, "%.2f", 100 * share(cause->count, exits->total));
        table_cell(line, 3, "%.2f", 100 * share(cause->ns_total, exits->ns_total));
        table_cell(line, 4, "%.0f", mean(cause));
    }
    int status = exits->count ? scols_print_table(table) : 0;
    scols_unref_table(table);
    return status == 0;
}

static void print_share(FILE *to, const char *what, uint64_t part, uint64_t total)
{
    if (part)
        fprintf(to, ", %.2f %% %s", 100 * share(part, total), what);
}

static void print_translation(FILE *to, const struct vmm_vm *vm)
{
    struct vmm_translation t;
    if (!vmm_translation(vm, &t))
        return;
    uint64_t all = t.identical + t.inlined + t.branches + t.indirect + t.call_outs;
    fprintf(to, "\n%" PRIu64 " units of %" PRIu64 " instructions", t.units, all);
    print_share(to, "identical", t.identical, all);
    print_share(to, "inline", t.inlined, all);
    print_share(to, "branches", t.branches, all);
    print_share(to, "indirect", t.indirect, all);
    print_share(to, "call-outs", t.call_outs, all);
    fprintf(to,
            "\n%" PRIu64 " bytes became %" PRIu64 " (%.2f times), %" PRIu32 " of %" PRIu32
            " KB of the cache in use, %" PRIu64 " flushes\n%" PRIu64 " chains, %" PRIu64
            " misses of indirect branches, %" PRIu64 " call-outs, %.2f %% of %" PRIu64
            " look-ups hit\n%" PRIu64 " units lost, %" PRIu64 " pages banned",
            t.guest_bytes, t.cache_bytes, share(t.cache_bytes, t.guest_bytes), t.cache_used >> 10,
            t.cache_size >> 10, t.flushes, t.chains, t.misses, t.called_out,
            100 * share(t.hits, t.lookups), t.lookups, t.killed, t.bans);
}

static bool print_table(FILE *to, const struct vmm_vm *vm)
{
    struct report report;
    const struct vmm_statistics *s = &report.statistics;
    collect(&report, vm);
    double host = (double)s->host_ns / 1e9;
    fprintf(to, "%s: %s, status %d", s->technique, vmm_stop_name(s->stop), s->status);
    if (s->stop == VMM_STOP_EXIT)
        fprintf(to, ", exit code %" PRIu32, s->exit_code);
    fprintf(to, "\n%" PRIu64 " instructions", s->guest_instructions);
    print_share(to, "direct", s->direct, s->guest_instructions);
    print_share(to, "translated", s->translated, s->guest_instructions);
    print_share(to, "interpreted", s->interpreted, s->guest_instructions);
    print_share(to, "emulated", s->emulated, s->guest_instructions);
    if (s->patched)
        fprintf(to, "\n%" PRIu64 " instructions patched", s->patched);
    print_translation(to, vm);
    print_nested(to, vm);
    fprintf(to, "\n%.6f s virtual, %.3f s host", (double)s->virtual_time / 1e8, host);
    if (s->guest_instructions && s->host_ns)
        fprintf(to, ", %.1f million instructions a second",
                (double)s->guest_instructions / host / 1e6);
    fprintf(to, "\n%" PRIu64 " exits\ndigest %s\n\n", report.exits.total, report.digest);
    return print_exits(to, &report.exits) && !ferror(to);
}

static bool print_tables(FILE *to, const struct vmm_vm *const *vms, size_t count)
{
    bool written = true;
    for (size_t i = 0; i < count && written; i++) {
        if (count > 1)
            fprintf(to, "%s[%zu]\n", i ? "\n" : "", i);
        written = print_table(to, vms[i]);
    }
    return written;
}

bool statistics_print(FILE *to, const struct vmm_vm *const *vms, size_t count, enum format format)
{
    bool written = false;
    switch (format) {
    case FORMAT_TABLE: written = print_tables(to, vms, count); break;
    case FORMAT_JSON: written = print_json(to, vms, count); break;
    case FORMAT_CSV: written = print_csv(to, vms, count); break;
    }
    return fflush(to) == 0 && written;
}
