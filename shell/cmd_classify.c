/* vmm classify: which class of Popek and Goldberg each instruction belongs to, by experiment.
 *
 * A thin face on vmm/classify.h: options in, a table, JSON or CSV out. Results go to standard
 * output, progress to standard error and only where a terminal is there to show it. */
#include "shell/cmd_classify.h"

#include "shell/atlas.h"
#include "vmm/classify.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, FAILED = 1, USAGE = 2 };
enum format { TABLE, JSON, CSV, MARKDOWN };

struct request {
    const char *isa, *text, *hex;
    bool all, replay;
    enum format format;
    struct vmm_classify_options options;
};

static const char usage[] =
    "Usage: vmm classify [--isa ISA | --all] [--instruction TEXT | --bytes HEX] [--sweep]\n"
    "                    [--replay] [--jobs N] [--format table|json|csv|markdown]\n"
    "\n"
    "Executes instructions in pairs of states that differ in the mode or in one resource only,\n"
    "and says which are privileged, sensitive or innocuous (Popek and Goldberg, 1974).\n"
    "\n"
    "  --isa ISA           the instruction set (default x86-32)\n"
    "  --all               every instruction set (with --sweep: that has one), one after the "
    "other\n"
    "  --instruction TEXT  explain one instruction of the set's list: popf, \"mov eax, cs\"\n"
    "  --bytes HEX         explain one encoding: 9d\n"
    "  --sweep             try the whole encoding space instead of the list\n"
    "  --replay            with one instruction: show the witness's states before and after\n"
    "  --jobs N            worker processes (default: one a processor)\n"
    "  --format F          table (default), json or csv; with --all markdown: the atlas\n"
    "  --help              this text\n"
    "\n"
    "Instruction sets:";

static void print_usage(void)
{
    const char *const *names;
    size_t count = vmm_classify_isas(&names);

    fputs(usage, stdout);
    for (size_t i = 0; i < count; i++)
        printf(" %s", names[i]);
    printf("\n");
}

static int usage_error(const char *format, const char *what)
{
    fprintf(stderr, "vmm classify: ");
    fprintf(stderr, format, what);
    fputc('\n', stderr);
    return USAGE;
}

static void show_progress(void *data, size_t done, size_t total)
{
    enum { WIDTH = 40 };
    size_t *shown = data;
    size_t percent = total ? done * 100 / total : 100;

    if (percent == *shown && done != total)
        return;
    *shown = percent;
    fprintf(stderr, "\r[");
    for (size_t i = 0; i < WIDTH; i++)
        fputc(i < percent * WIDTH / 100 ? '#' : ' ', stderr);
    fprintf(stderr, "] %3zu %%", percent);
    if (done == total)
        fprintf(stderr, "\r%*s\r", WIDTH + 10, "");
    fflush(stderr);
}

static int parse_format(const char *word, enum format *format)
{
    static const char *const names[] = {"table", "json", "csv", "markdown"};

    for (int i = 0; i < 4; i++)
        if (strcmp(word, names[i]) == 0) {
            *format = (enum format)i;
            return OK;
        }
    return usage_error("unknown format \"%s\": use table, json, csv or markdown", word);
}

static int parse_jobs(const char *word, unsigned *jobs)
{
    char *end;
    long n = strtol(word, &end, 10);

    if (*word < '0' || *word > '9' || *end || n < 1 || n > 64)
        return usage_error("\"%s\" is not a number of processes: use 1 to 64", word);
    *jobs = (unsigned)n;
    return OK;
}

static int check(const struct request *request)
{
    bool one = request->text || request->hex;

    if (request->text && request->hex)
        return usage_error("--instruction and --bytes exclude each other: give %s", "one of them");
    if (request->all && (one || request->isa))
        return usage_error("--all takes every instruction set: leave out %s",
                           request->isa ? "--isa" : "the instruction");
    if (request->options.sweep && one)
        return usage_error("--sweep tries all encodings: leave out %s", "the instruction");
    if (request->format == MARKDOWN && (!request->all || request->options.sweep))
        return usage_error("the format markdown is that of the atlas: give %s", "--all with it");
    if (request->replay && !one)
        return usage_error("--replay needs one instruction: give %s", "--instruction or --bytes");
    return OK;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct request *request)
{
    static const struct option options[] = {
        {"isa", required_argument, NULL, 'i'},   {"all", no_argument, NULL, 'a'},
        {"bytes", required_argument, NULL, 'b'}, {"instruction", required_argument, NULL, 't'},
        {"sweep", no_argument, NULL, 's'},       {"replay", no_argument, NULL, 'r'},
        {"jobs", required_argument, NULL, 'j'},  {"format", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
    };
    int status = OK, c;

    optind = 0;
    opterr = 0;
    while (status == OK && (c = getopt_long(argc, argv, ":", options, NULL)) != -1)
        switch (c) {
        case 'i': request->isa = optarg; break;
        case 'a': request->all = true; break;
        case 'b': request->hex = optarg; break;
        case 't': request->text = optarg; break;
        case 's': request->options.sweep = true; break;
        case 'r': request->replay = true; break;
        case 'j': status = parse_jobs(optarg, &request->options.jobs); break;
        case 'f': status = parse_format(optarg, &request->format); break;
        case 'h': print_usage(); return OK;
        case ':': return usage_error("%s needs a value: see vmm classify --help", argv[optind - 1]);
        default: return usage_error("unknown option %s: see vmm classify --help", argv[optind - 1]);
        }
    if (status == OK && optind < argc)
        return usage_error("\"%s\" is no option: give an instruction with --instruction",
                           argv[optind]);
    if (status == OK)
        status = check(request);
    return status == OK ? -1 : status;
}

static const char *privilege(const struct vmm_class_record *r)
{
    return r->failure ? "?" : r->privileged ? "yes" : r->conditionally_privileged ? "cond" : "no";
}

static const char *mark(bool yes)
{
    return yes ? "x" : ".";
}

static void print_counts(const struct vmm_classification *c)
{
    struct vmm_class_counts n = vmm_classification_counts(c);

    printf("%zu tried, %zu executed, %zu privileged, %zu conditionally; %zu sensitive, of these "
           "%zu neither; %zu without a verdict\n",
           n.tried, n.executed, n.privileged, n.conditional, n.sensitive, n.unprivileged,
           n.failures);
}

static void print_table(const struct vmm_classification *c, const char *isa)
{
    const struct vmm_class_record *r = vmm_classification_records(c);

    printf("%s\n%-30s %-16s %-5s %-7s %-8s %-5s %-5s %s\n", isa, "instruction", "bytes", "priv.",
           "control", "location", "mode", "user", "");
    for (size_t i = 0; i < vmm_classification_count(c); i++, r++) {
        const char *verdict = r->failure                    ? r->failure
                              : r->innocuous                ? ""
                              : r->privileged               ? ""
                              : r->conditionally_privileged ? r->condition
                                                            : "sensitive, unprivileged";

        printf("%-30.30s %-16s %-5s %-7s %-8s %-5s %-5s %s\n", r->form ? r->form : r->mnemonic,
               r->bytes, privilege(r), mark(r->control_sensitive), mark(r->location_sensitive),
               mark(r->mode_sensitive), mark(r->user_sensitive), verdict);
    }
    print_counts(c);
}

static void print_quoted(const char *text)
{
    putchar('"');
    for (; text && *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_csv(const struct vmm_classification *c, bool header)
{
    const struct vmm_class_record *r = vmm_classification_records(c);

    if (header)
        puts("isa,mnemonic,form,bytes,privileged,conditionally_privileged,condition,"
             "control_sensitive,location_sensitive,mode_sensitive,user_sensitive,sensitive,"
             "innocuous,invariant,engine_note,failure");
    for (size_t i = 0; i < vmm_classification_count(c); i++, r++) {
        printf("%s,%s,", r->isa, r->mnemonic);
        print_quoted(r->form);
        printf(",%s,%d,%d,", r->bytes, r->privileged, r->conditionally_privileged);
        print_quoted(r->condition);
        printf(",%d,%d,%d,%d,%d,%d,", r->control_sensitive, r->location_sensitive,
               r->mode_sensitive, r->user_sensitive, r->sensitive, r->innocuous);
        print_quoted(r->invariant);
        putchar(',');
        print_quoted(r->engine_note);
        putchar(',');
        print_quoted(r->failure);
        putchar('\n');
    }
}

static void print_replay(const struct vmm_classification *c, size_t index)
{
    static struct vmm_replay replay;

    if (!vmm_classification_replay(c, index, &replay)) {
        puts("There is no witness to replay.");
        return;
    }
    for (int i = 0; i < 2 && replay.state[i][0]; i++)
        printf("state %c: %s: %s\n", 'a' + i, replay.state[i], replay.outcome[i]);
    bool two = replay.state[1][0];
    for (size_t i = 0; i < replay.count; i++) {
        const struct vmm_replay_line *l = &replay.line[i];

        if (l->before[0] == l->after[0] && l->before[1] == l->after[1] &&
            l->before[0] == l->before[1] && !l->compared_unequal)
            continue;
        printf("%c %-16s %16llx -> %-16llx", l->compared_unequal ? '*' : ' ', l->name,
               (unsigned long long)l->before[0], (unsigned long long)l->after[0]);
        if (two)
            printf("  %16llx -> %-16llx", (unsigned long long)l->before[1],
                   (unsigned long long)l->after[1]);
        putchar('\n');
    }
}

static void print_explanations(const struct request *request, const struct vmm_classification *c)
{
    for (size_t i = 0; i < vmm_classification_count(c); i++) {
        char *text = vmm_classification_explain(c, i);

        printf("%s%s", i ? "\n" : "", text ? text : "");
        free(text);
        if (request->replay)
            print_replay(c, i);
    }
}

static struct vmm_classification *classify(const struct request *request, const char *isa)
{
    char error[512] = "";
    size_t shown = 0;
    struct vmm_classify_options options = request->options;
    struct vmm_classification *c;

    if (isatty(STDERR_FILENO)) {
        options.progress = show_progress;
        options.progress_data = &shown;
    }
    if (request->text)
        c = vmm_classify_text(isa, request->text, &options, error, sizeof error);
    else if (request->hex)
        c = vmm_classify_bytes(isa, request->hex, &options, error, sizeof error);
    else
        c = vmm_classify(isa, &options, error, sizeof error);
    if (!c)
        fprintf(stderr, "vmm classify: %s\n", error);
    return c;
}

static bool known(const char *isa)
{
    const char *const *names;
    size_t count = vmm_classify_isas(&names);

    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], isa) == 0)
            return true;
    return false;
}

static void print_json(char **documents, size_t count, bool all)
{
    if (!all) {
        puts(documents[0]);
        return;
    }
    puts("[");
    for (size_t i = 0; i < count; i++)
        printf("%s%s\n", documents[i], i + 1 < count ? "," : "");
    puts("]");
}

/* All sets, or those that have a sweep. */
static size_t choose(const struct request *request, const char **chosen, const char *const **names)
{
    size_t all = vmm_classify_isas(names), count = 0;

    if (!request->options.sweep)
        return all;
    for (size_t i = 0; i < all; i++)
        if (vmm_classify_can_sweep((*names)[i]))
            chosen[count++] = (*names)[i];
    *names = chosen;
    return count;
}

/* Nothing is printed before every set has been classified: no partial output. */
static int run(const struct request *request)
{
    const char *const *names;
    const char *one[] = {request->isa ? request->isa : "x86-32"};
    size_t count = 1, done = 0;
    int status = OK;

    const char *chosen[32];

    names = one;
    if (request->all)
        count = choose(request, chosen, &names);
    struct vmm_classification **results = calloc(count, sizeof *results);
    char **documents = calloc(count, sizeof *documents);
    while (results && documents && done < count && (results[done] = classify(request, names[done])))
        done++;
    if (done < count)
        status = request->all || known(names[0]) ? FAILED : USAGE;
    if (status == FAILED && (request->text || request->hex || request->options.sweep))
        status = USAGE;
    for (size_t i = 0; status == OK && i < count; i++) {
        if (request->format == JSON)
            documents[i] = vmm_classification_json(results[i]);
        else if (request->format == CSV)
            print_csv(results[i], i == 0);
        else if (request->format == MARKDOWN)
            continue;
        else if (request->text || request->hex)
            print_explanations(request, results[i]);
        else
            print_table(results[i], names[i]);
    }
    if (status == OK && request->format == MARKDOWN)
        status = atlas_print(names, results, count) ? OK : FAILED;
    if (status == OK && request->format == JSON)
        print_json(documents, count, request->all);
    for (size_t i = 0; i < done; i++) {
        vmm_classification_free(results[i]);
        free(documents[i]);
    }
    free(results);
    free(documents);
    return status;
}

int vmm_cmd_classify(int argc, char **argv)
{
    struct request request = {.isa = NULL};
    int status = parse(argc, argv, &request);

    return status >= 0 ? status : run(&request);
}
