/* `vmm compare`: one guest under several techniques, side by side (Popek and Goldberg's three
 * properties as columns: equivalence is what is the same as on the bare machine, efficiency the
 * share of instructions that run directly, and what it costs in time). The bare machine is always
 * there, and first: it is what the others are measured against.
 *
 * The guest's console is not shown: its length and a hash of it are compared. */
#include "shell/cmd_compare.h"

#include "shell/command.h"
#include "shell/console.h"
#include "shell/format.h"
#include "shell/guest.h"
#include "shell/table.h"

#include <vmm/vmm.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_RUNS = 32, USUAL_LIMIT = 100000000 }; /* instructions */

struct console_hash {
    uint64_t hash; /* FNV-1a */
    uint64_t length;
};

struct compared {
    struct vmm_statistics statistics;
    struct console_hash console;
    uint64_t exits, digest;
    char stop_text[512];
};

struct request {
    struct guest_options guest;
    const char *techniques[MOST_RUNS];
    size_t count;
    char *list; /* what -t gave, taken apart; owned */
    enum format format;
};

static void print_help(void)
{
    printf("Usage: vmm compare [-t TECHNIQUE,...] [OPTION]... IMAGE\n"
           "Run a guest under several techniques and compare them with the bare machine.\n"
           "\n"
           "  -t TECHNIQUE,...        which (all); bare is always one of them\n"
           "  --format FORMAT         table (default), json or csv\n"
           "  --help                  this text\n"
           "\n"
           "These are as in 'vmm run': -m, --load, --initrd, --append, --module, --keep-going and\n"
           "--max-instructions, which is 100 million unless told.\n"
           "\n"
           "Exit status: 0 if every run was made, however it came out.\n"
           "\n");
    guest_print_techniques();
}

/* ---- the command line ---- */

static const struct option options[] = {
    GUEST_LONG,
    {"format", required_argument, NULL, 'f'},
    {NULL, 0, NULL, 0},
};

static void add(struct request *request, const char *technique)
{
    for (size_t i = 0; i < request->count; i++)
        if (strcmp(request->techniques[i], technique) == 0)
            return;
    if (request->count < MOST_RUNS)
        request->techniques[request->count++] = technique;
}

static int parse_techniques(struct request *request, const char *text)
{
    char *rest = NULL;
    free(request->list);
    request->count = 1;
    request->list = strdup(text);
    if (!request->list)
        return guest_complain(&request->guest, VMM_FAILURE, "there is no memory left");
    if (!*text)
        return guest_complain(&request->guest, VMM_USAGE, "-t names no technique; give one");
    for (char *word = strtok_r(request->list, ",", &rest); word;
         word = strtok_r(NULL, ",", &rest)) {
        const char *name = guest_technique(word);
        if (!name)
            return guest_complain(&request->guest, VMM_USAGE,
                                  "there is no technique '%s'; --help lists them", word);
        add(request, name);
    }
    return VMM_SUCCESS;
}

static int parse_option(void *context, int option)
{
    struct request *request = context;
    switch (option) {
    case 't': return parse_techniques(request, optarg);
    case 'C':
        return guest_complain(&request->guest, VMM_USAGE,
                              "--clock is not for comparing, which counts instructions; leave it "
                              "away");
    case 'V':
        return guest_complain(&request->guest, VMM_USAGE,
                              "--vm is not for comparing, which runs one guest; leave it away");
    case 'f': return guest_format(&request->guest, optarg, &request->format);
    default: return guest_option(&request->guest, option);
    }
}

static int parse(struct request *request, int argc, char **argv)
{
    static const struct guest_syntax syntax = {.shorts = ":" GUEST_SHORT,
                                               .longs = options,
                                               .usage = "vmm compare [OPTION]... IMAGE",
                                               .option = parse_option};
    const char *name;
    add(request, "bare");
    int status = guest_parse(&request->guest, &syntax, request, argc, argv);
    if (!request->guest.most_instructions)
        request->guest.most_instructions = USUAL_LIMIT;
    for (size_t i = 0; !request->list && (name = vmm_technique(i)); i++)
        add(request, name);
    return status;
}

/* ---- the runs ---- */

static void hash_output(void *context, const uint8_t *bytes, size_t count)
{
    const uint64_t prime = 0x100000001b3;
    struct console_hash *console = context;
    for (size_t i = 0; i < count; i++)
        console->hash = (console->hash ^ bytes[i]) * prime;
    console->length += count;
}

static int run_one(struct request *request, const char *technique, struct compared *compared)
{
    struct guest guest;
    struct vmm_cause_count cause;
    const struct vmm_config asked = request->guest.config;
    *compared = (struct compared){.console.hash = 0xcbf29ce484222325};
    request->guest.config.technique = technique;
    if (strcmp(technique, "hw") != 0) { /* whose options these are */
        request->guest.config.intercepts = NULL;
        request->guest.config.mmu = VMM_MMU_DEFAULT;
    }
    request->guest.config.console =
        (struct vmm_console){.context = &compared->console, .output = hash_output};
    int status = guest_create(&guest, &request->guest);
    request->guest.config = asked;
    if (status == VMM_SUCCESS) {
        vmm_console_enter(guest.vm);
        vmm_run(guest.vm, request->guest.most_instructions);
        vmm_console_leave();
        vmm_statistics(guest.vm, &compared->statistics);
        compared->digest = vmm_digest(guest.vm);
        snprintf(compared->stop_text, sizeof compared->stop_text, "%s", vmm_stop_text(guest.vm));
        for (size_t i = 0; vmm_cause(guest.vm, i, &cause); i++)
            compared->exits += cause.count;
        if (compared->statistics.stop == VMM_STOP_USER)
            status =
                guest_complain(&request->guest, VMM_FAILURE, "interrupted under '%s'", technique);
    }
    guest_destroy(&guest);
    return status;
}

/* ---- what is compared ---- */

static bool same_console(const struct compared *a, const struct compared *b)
{
    return a->console.hash == b->console.hash && a->console.length == b->console.length;
}

static bool same_end(const struct compared *a, const struct compared *b)
{
    return a->statistics.stop == b->statistics.stop &&
           a->statistics.exit_code == b->statistics.exit_code;
}

static bool equal(const struct compared *a, const struct compared *b)
{
    return same_console(a, b) && same_end(a, b) && a->digest == b->digest &&
           a->statistics.guest_instructions == b->statistics.guest_instructions;
}

static double percent(uint64_t part, const struct vmm_statistics *s)
{
    return s->guest_instructions ? 100 * (double)part / (double)s->guest_instructions : 0;
}

static double slower(const struct compared *run, const struct compared *bare)
{
    double reference = (double)bare->statistics.host_ns;
    return reference > 0 ? (double)run->statistics.host_ns / reference : 0;
}

/* ---- printing ---- */

static json_t *run_json(const struct compared *run, const struct compared *bare)
{
    const struct vmm_statistics *s = &run->statistics;
    char digest[24];
    snprintf(digest, sizeof digest, "0x%016" PRIx64, run->digest);
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:b, s:b, s:b, s:s}",
        "technique", s->technique, "stop", vmm_stop_name(s->stop), "stop_text", run->stop_text,
        "exit_code", (json_int_t)s->exit_code, "status", s->status, "guest_instructions",
        (json_int_t)s->guest_instructions, "direct", (json_int_t)s->direct, "translated",
        (json_int_t)s->translated, "interpreted", (json_int_t)s->interpreted, "emulated",
        (json_int_t)s->emulated, "exits", (json_int_t)run->exits, "host_ns", (json_int_t)s->host_ns,
        "time_ratio", slower(run, bare), "same_console", (int)same_console(run, bare),
        "same_digest", (int)(run->digest == bare->digest), "equal", (int)equal(run, bare), "digest",
        digest);
}

static bool print_json(const struct request *request, const struct compared *runs)
{
    json_t *array = json_array();
    for (size_t i = 0; i < request->count; i++)
        json_array_append_new(array, run_json(&runs[i], &runs[0]));
    json_t *json = json_pack("{s:s, s:o}", "image", request->guest.image, "runs", array);
    bool written = json && json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
    json_decref(json);
    return putchar('\n') != EOF && written;
}

static const char *yes(bool is)
{
    return is ? "yes" : "no";
}

static bool print_csv(const struct request *request, const struct compared *runs)
{
    puts("technique,stop,exit_code,guest_instructions,direct,translated,interpreted,emulated,exits,"
         "host_ns,time_ratio,same_console,same_digest,equal");
    for (size_t i = 0; i < request->count; i++) {
        const struct compared *run = &runs[i];
        const struct vmm_statistics *s = &run->statistics;
        printf("%s,%s,%" PRIu32 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
               ",%" PRIu64 ",%" PRIu64 ",%.3f,%s,%s,%s\n",
               s->technique, vmm_stop_name(s->stop), s->exit_code, s->guest_instructions, s->direct,
               s->translated, s->interpreted, s->emulated, run->exits, s->host_ns,
               slower(run, &runs[0]), yes(same_console(run, &runs[0])),
               yes(run->digest == runs[0].digest), yes(equal(run, &runs[0])));
    }
    return !ferror(stdout);
}

static void fill_line(struct libscols_line *line, const struct compared *run,
                      const struct compared *bare)
{
    const struct vmm_statistics *s = &run->statistics;
    size_t column = 0;
    table_cell(line, column++, "%s", s->technique);
    table_cell(line, column++, "%s", vmm_stop_name(s->stop));
    table_cell(line, column++, "%" PRIu64, s->guest_instructions);
    table_cell(line, column++, "%.2f", percent(s->direct, s));
    table_cell(line, column++, "%.2f", percent(s->interpreted, s));
    table_cell(line, column++, "%.2f", percent(s->emulated, s));
    table_cell(line, column++, "%" PRIu64, run->exits);
    table_cell(line, column++, "%.2f", slower(run, bare));
    table_cell(line, column++, "%s", yes(same_console(run, bare)));
    table_cell(line, column++, "%s", yes(run->digest == bare->digest));
}

/* Below the table: how those ended that did not end as the bare machine. What the VMM itself has to
 * say has the technique's name in front already. */
static void explain(const struct request *request, const struct compared *runs)
{
    for (size_t i = 1; i < request->count; i++) {
        const char *name = request->techniques[i];
        bool named = runs[i].statistics.stop == VMM_STOP_DIVERGENCE;
        if (!same_end(&runs[i], &runs[0]))
            printf("\n%s%s%s\n", named ? "" : name, named ? "" : ": ", runs[i].stop_text);
    }
}

static bool print_table(const struct request *request, const struct compared *runs)
{
    static const char *const columns[] = {
        "technique",  "end",   "instructions", "direct %", "interpreted %",
        "emulated %", "exits", "time / bare",  "console",  "digest"};
    struct libscols_table *table = scols_new_table();
    if (!table)
        return false;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        scols_table_new_column(table, columns[i], 0, i > 1 && i < 8 ? SCOLS_FL_RIGHT : 0);
    for (size_t i = 0; i < request->count; i++) {
        struct libscols_line *line = scols_table_new_line(table, NULL);
        if (line)
            fill_line(line, &runs[i], &runs[0]);
    }
    bool written = scols_print_table(table) == 0;
    scols_unref_table(table);
    explain(request, runs);
    return written && !ferror(stdout);
}

static bool print(const struct request *request, const struct compared *runs)
{
    switch (request->format) {
    case FORMAT_JSON: return print_json(request, runs);
    case FORMAT_CSV: return print_csv(request, runs);
    default: return print_table(request, runs);
    }
}

int vmm_cmd_compare(int argc, char **argv)
{
    struct request request = {.guest.command = "compare", .format = FORMAT_TABLE};
    struct compared runs[MOST_RUNS];
    int status = parse(&request, argc, argv);
    if (request.guest.help)
        print_help();
    for (size_t i = 0; i < request.count && status == VMM_SUCCESS && !request.guest.help; i++)
        status = run_one(&request, request.techniques[i], &runs[i]);
    if (status == VMM_SUCCESS && !request.guest.help &&
        (!print(&request, runs) || fflush(stdout) != 0))
        status = guest_complain(&request.guest, VMM_FAILURE,
                                "the comparison cannot be written to standard output; free some "
                                "space or send it elsewhere");
    free(request.list);
    return status;
}
