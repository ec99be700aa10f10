/* The page from top to bottom: what ran, how the runs compare, and for each run its instructions,
 * its exits over time and by cause, its address space, and its slowest exits explained. */
#include "shell/report/page.h"

#include "shell/repl/why.h"
#include "shell/report/chart.h"
#include "shell/report/html.h"

#include <vmm/vmm.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The style sheet is a file of its own, to be read and edited; the assembler takes it in as it is.
 */
__asm__(".pushsection .rodata\n"
        ".globl report_style\n.hidden report_style\nreport_style:\n"
        ".incbin \"shell/report/style.css\"\n.byte 0\n"
        ".popsection\n");
extern const char report_style[] __attribute__((visibility("hidden")));

static const struct {
    const char *name, *colour;
} ways[] = {{"direct", "s0"}, {"translated", "s2"}, {"interpreted", "s1"}, {"emulated", "s3"}};
enum { WAYS = sizeof ways / sizeof *ways };

static uint64_t executed(const struct model_run *run, size_t way)
{
    const uint64_t counts[WAYS] = {run->end.direct, run->end.translated, run->end.interpreted,
                                   run->end.emulated};
    return counts[way];
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static double seconds_virtual(uint64_t cycles)
{
    return (double)cycles / 1e8;
}

/* ---- the head ---- */

static void put_head(FILE *to)
{
    fprintf(to,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta name=\"color-scheme\" content=\"light dark\">\n"
            "<meta name=\"generator\" content=\"vmm %s\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
            "'unsafe-inline'; img-src data:\">\n"
            "<link rel=\"icon\" href=\"data:,\">\n<title>vmm report</title>\n"
            "<style>\n%s</style>\n</head>\n<body>\n"
            "<a class=\"skip\" href=\"#main\">Skip to the report</a>\n",
            vmm_version(), report_style);
}

static void put_run_name(FILE *to, const struct model *model, const struct model_run *run)
{
    const char *slash = strrchr(run->file, '/');
    bool several = false;
    for (size_t i = 0; i < model->run_count; i++)
        several |= model->runs[i]->file == run->file && model->runs[i] != run;
    html_text(to, run->begin.technique);
    fputs(": ", to);
    html_text(to, slash ? slash + 1 : run->file);
    if (several)
        fprintf(to, ", VM %u", run->begin.vm);
}

static void put_contents(FILE *to, const struct model *model)
{
    fputs("<header><h1>What trapped, and what it cost</h1></header>\n"
          "<nav aria-label=\"Contents\"><ul>\n",
          to);
    if (model->run_count > 1)
        fputs("<li><a href=\"#comparison\">Comparison</a></li>\n", to);
    for (size_t i = 0; i < model->run_count; i++) {
        fprintf(to, "<li><a href=\"#run%zu\">", i);
        put_run_name(to, model, model->runs[i]);
        fputs("</a></li>\n", to);
    }
    fputs("</ul></nav>\n<main id=\"main\">\n", to);
}

/* ---- several runs ---- */

static void put_share(FILE *to, const struct model_run *run)
{
    fputs("<div class=\"share\" aria-hidden=\"true\">", to);
    for (size_t i = 0; i < WAYS; i++)
        if (executed(run, i))
            fprintf(to, "<span class=\"%s\" style=\"width:%.3f%%\"></span>", ways[i].colour,
                    percent(executed(run, i), run->end.guest_instructions));
    fputs("</div>\n", to);
}

static void put_comparison_row(FILE *to, const struct model *model, const struct model_run *run)
{
    const struct trace_end *end = &run->end, *first = &model->runs[0]->end;
    uint64_t exits = model_exits(run);
    fputs("<tr><td>", to);
    put_run_name(to, model, run);
    fputs("</td><td>", to);
    html_text(to, end->stop);
    fputs("</td><td class=\"n\">", to);
    html_number(to, end->guest_instructions);
    fprintf(to, "</td><td class=\"n\">%.2f</td><td class=\"n\">",
            percent(end->direct, end->guest_instructions));
    html_number(to, exits);
    fprintf(to, "</td><td class=\"n\">%.3f</td><td class=\"n\">",
            end->guest_instructions ? 1e6 * (double)exits / (double)end->guest_instructions : 0);
    html_time(to, (double)end->host_ns);
    fprintf(to, "</td><td class=\"n\">%.2f</td><td>%s</td></tr>\n",
            first->host_ns ? (double)end->host_ns / (double)first->host_ns : 0,
            strcmp(end->digest, first->digest) == 0 ? "same" : "another");
}

static void put_comparison(FILE *to, const struct model *model)
{
    uint64_t most = 1;
    fputs("<section aria-labelledby=\"comparison\"><h2 id=\"comparison\">Comparison</h2>\n"
          "<p>Equivalence is the same final state as the first run; efficiency the share of "
          "instructions that the processor executed directly (Popek and Goldberg, 1974).</p>\n"
          "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
          "aria-label=\"Table\"><table><thead><tr><th>run</th><th>end</th>"
          "<th class=\"n\">instructions</th><th class=\"n\">direct %</th><th class=\"n\">exits</th>"
          "<th class=\"n\">exits / million</th><th class=\"n\">host time</th>"
          "<th class=\"n\">time / first</th><th>final state</th></tr></thead><tbody>\n",
          to);
    for (size_t i = 0; i < model->run_count; i++) {
        put_comparison_row(to, model, model->runs[i]);
        if (model->runs[i]->end.host_ns > most)
            most = model->runs[i]->end.host_ns;
    }
    fputs("</tbody></table></div>\n<figure><figcaption>Host time, tracing included</figcaption>"
          "<div class=\"scroll\"><table><tbody>\n",
          to);
    for (size_t i = 0; i < model->run_count; i++) {
        fputs("<tr><td>", to);
        put_run_name(to, model, model->runs[i]);
        fprintf(to,
                "</td><td class=\"bar\" style=\"width:60%%\"><span style=\"width:%.2f%%\"></span>"
                "</td></tr>\n",
                percent(model->runs[i]->end.host_ns, most));
    }
    fputs("</tbody></table></div></figure></section>\n", to);
}

/* ---- a run: the summary ---- */

static void begin_fact(FILE *to, const char *name)
{
    fprintf(to, "<div><dt>%s</dt><dd>", name);
}

static void end_fact(FILE *to)
{
    fputs("</dd></div>\n", to);
}

static void put_summary(FILE *to, const struct model_run *run)
{
    const struct trace_end *end = &run->end;
    fputs("<p>", to);
    html_text(to, end->stop_text);
    fputs("</p>\n<dl class=\"facts\">\n", to);
    begin_fact(to, "technique");
    html_text(to, run->begin.technique);
    end_fact(to);
    begin_fact(to, "end");
    html_text(to, end->stop);
    fprintf(to, ", status %d", end->status);
    end_fact(to);
    begin_fact(to, "instructions");
    html_number(to, end->guest_instructions);
    end_fact(to);
    begin_fact(to, "exits");
    html_number(to, model_exits(run));
    end_fact(to);
    begin_fact(to, "virtual time");
    fprintf(to, "<data value=\"%" PRIu64 "\">%.6f s</data>", end->virtual_time,
            seconds_virtual(end->virtual_time));
    end_fact(to);
    begin_fact(to, "host time");
    fprintf(to, "<data value=\"%" PRIu64 "\">", end->host_ns);
    html_time(to, (double)end->host_ns);
    fputs("</data>", to);
    end_fact(to);
    begin_fact(to, "interrupts");
    html_number(to, end->interrupts);
    end_fact(to);
    begin_fact(to, "memory");
    fprintf(to, "%" PRIu64 " MB", run->begin.memory >> 20);
    end_fact(to);
    fputs("<div class=\"wide\"><dt>state digest</dt><dd><code>", to);
    html_text(to, end->digest);
    fputs("</code>", to);
    end_fact(to);
    fputs("</dl>\n", to);
    if (run->records != model_exits(run)) {
        fputs("<p class=\"soft\">The trace has ", to);
        html_number(to, run->records);
        fputs(" of these exits: it was begun after the run or ended before it.</p>\n", to);
    }
}

static void put_execution(FILE *to, const struct model_run *run)
{
    fputs("<h3>How its instructions were executed</h3>\n", to);
    put_share(to, run);
    fputs("<ul class=\"key\">", to);
    for (size_t i = 0; i < WAYS; i++) {
        fprintf(to, "<li><i class=\"%s\"></i>%s ", ways[i].colour, ways[i].name);
        html_number(to, executed(run, i));
        fprintf(to, " (%.2f %%)</li>", percent(executed(run, i), run->end.guest_instructions));
    }
    fputs("</ul>\n", to);
}

/* ---- a run: its exits ---- */

static void put_timeline(FILE *to, const struct model_run *run)
{
    struct chart_series series;
    uint64_t most;
    chart_sort(run, &series);
    fputs("<h3>Exits over virtual time</h3>\n<figure>\n<div class=\"axis\"><span>", to);
    char *picture = NULL;
    size_t size = 0;
    FILE *later = open_memstream(&picture, &size);
    if (later) {
        chart_timeline(later, run, &series, &most);
        fclose(later);
        fprintf(to, "%" PRIu64 " exits in %.6g ms</span></div>\n%s", most,
                seconds_virtual(run->bin_width) * 1e3, picture);
    } else {
        fputs("</span></div>\n", to);
    }
    free(picture);
    uint64_t end = run->end.virtual_time > run->last_time ? run->end.virtual_time : run->last_time;
    fprintf(to,
            "<div class=\"axis\"><span>0 s</span><span>%.4g s</span><span>%.4g s of virtual "
            "time</span></div>\n<ul class=\"key\">",
            seconds_virtual(end) / 2, seconds_virtual(end));
    for (size_t i = 0; i < series.count && i < CHART_SERIES; i++) {
        bool rest = i + 1 == CHART_SERIES && series.count > CHART_SERIES;
        fprintf(to, "<li><i class=\"s%zu\"></i>", i);
        html_text(to, rest ? "all others" : series.causes[i]->name);
        fputs("</li>", to);
    }
    fputs("</ul></figure>\n", to);
}

static int by_count(const void *a, const void *b)
{
    const struct trace_exit *left = a, *right = b;
    return left->count < right->count ? 1 : left->count > right->count ? -1 : 0;
}

static uint64_t slowest_of(const struct model_run *run, const char *cause)
{
    for (size_t i = 0; i < run->cause_count; i++)
        if (strcmp(run->causes[i].name, cause) == 0)
            return run->causes[i].ns_most;
    return 0;
}

static void put_cause(FILE *to, const struct model_run *run, const struct trace_exit *exit,
                      uint64_t exits)
{
    fputs("<tr><td>", to);
    html_text(to, exit->cause);
    fputs("</td><td class=\"n\">", to);
    html_number(to, exit->count);
    fprintf(to,
            "</td><td class=\"n\">%.2f</td><td class=\"bar\"><span style=\"width:%.2f%%\"></span>"
            "</td><td class=\"n\"><data value=\"%" PRIu64 "\">",
            percent(exit->count, exits), percent(exit->count, exits), exit->ns_total);
    html_time(to, (double)exit->ns_total);
    fputs("</data></td><td class=\"n\">", to);
    html_time(to, exit->count ? (double)exit->ns_total / (double)exit->count : 0);
    fputs("</td><td class=\"n\">", to);
    html_time(to, (double)slowest_of(run, exit->cause));
    fputs("</td></tr>\n", to);
}

static void put_causes(FILE *to, const struct model_run *run)
{
    static struct trace_exit exits[TRACE_CAUSES];
    size_t count = run->end.exit_count;
    memcpy(exits, run->end.exits, sizeof exits);
    qsort(exits, count, sizeof *exits, by_count);
    fputs("<h3>Exits by cause</h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
          "aria-label=\"Table\"><table class=\"causes\">"
          "<thead><tr><th>cause</th><th class=\"n\">count</th><th class=\"n\">share %</th><th></th>"
          "<th class=\"n\">total</th><th class=\"n\">mean</th><th class=\"n\">slowest</th></tr>"
          "</thead><tbody>\n",
          to);
    for (size_t i = 0; i < count; i++)
        put_cause(to, run, &exits[i], model_exits(run));
    fputs("</tbody></table></div>\n", to);
}

/* ---- a run: its address space ---- */

static void put_ranges(FILE *to, const struct model_run *run)
{
    fprintf(to,
            "<details><summary>%zu range%s of pages</summary><div class=\"scroll\" tabindex=\"0\" "
            "role=\"region\" aria-label=\"Table\">"
            "<table><thead><tr><th>linear addresses</th><th class=\"n\">pages</th><th>who</th>"
            "<th>writable</th><th class=\"n\">in shadow tables</th></tr></thead><tbody>\n",
            run->end.range_count, run->end.range_count == 1 ? "" : "s");
    for (size_t i = 0; i < run->end.range_count; i++) {
        const struct vmm_range *range = &run->end.ranges[i];
        fprintf(to,
                "<tr><td class=\"mono\">0x%08x-0x%08x</td><td class=\"n\">%u</td><td>%s</td>"
                "<td>%s</td><td class=\"n\">%u</td></tr>\n",
                range->linear, range->linear + range->pages * 4096u - 1, range->pages,
                range->user ? "user" : "supervisor", range->writable ? "yes" : "no",
                range->shadow_pages);
    }
    fputs("</tbody></table></div></details>\n", to);
}

static void put_address_space(FILE *to, const struct model_run *run)
{
    fputs("<h3>Address space at the end</h3>\n", to);
    if (!run->end.paging) {
        fputs("<p>Paging was off: linear addresses were physical ones.</p>\n", to);
        return;
    }
    fputs("<figure>\n", to);
    chart_address_space(to, run);
    fputs("<ul class=\"key\"><li><i class=\"kernel\"></i>supervisor</li>"
          "<li><i class=\"user\"></i>user</li><li><i class=\"none\"></i>not mapped</li>",
          to);
    if (run->end.shadowed)
        fputs("<li><i class=\"shadow\"></i>filled into the VMM's shadow tables, in part at least"
              "</li>",
              to);
    fputs("</ul><figcaption>A square is 4 MB, one entry of the page directory; a row is 256 MB; "
          "0x00000000 is at the top left.</figcaption></figure>\n",
          to);
    put_ranges(to, run);
}

/* ---- a run: its slowest exits ---- */

static void put_paragraph(void *context, const char *head, const char *text)
{
    FILE *to = context;
    fputs("<dt>", to);
    html_text(to, head);
    fputs("</dt><dd>", to);
    html_text(to, text);
    fputs("</dd>\n", to);
}

static void put_slow_exit(FILE *to, const struct trace_record *slow, bool open)
{
    const struct vmm_record *record = &slow->record;
    const struct vmm_class_record *verdict;
    char place[128];
    snprintf(place, sizeof place, "0x%08x%s%s%s", record->linear, *slow->symbol ? " <" : "",
             slow->symbol, *slow->symbol ? ">" : "");
    fprintf(to, "<details%s><summary><b>", open ? " open" : "");
    html_time(to, (double)record->host_ns);
    fputs("</b> ", to);
    html_text(to, record->cause);
    fputs(" <code>", to);
    html_text(to, slow->text);
    fputs("</code> at <code>", to);
    html_text(to, place);
    fprintf(to,
            "</code></summary>\n<p class=\"soft\">Trap %" PRIu64 ", at virtual time %" PRIu64
            ", in ring %u.</p>\n<dl class=\"why\">\n",
            record->sequence, record->time, record->ring);
    struct vmm_classification *found = why_classify(record, slow->text, &verdict);
    const struct why_facts facts = {.record = record,
                                    .instruction = slow->text,
                                    .place = place,
                                    .classes = verdict,
                                    .head = "",
                                    .plain = ""};
    why_paragraphs(&facts, put_paragraph, to);
    vmm_classification_free(found);
    fputs("</dl></details>\n", to);
}

static void put_slowest(FILE *to, const struct model_run *run)
{
    fputs("<h3>The slowest exits, and why they trapped</h3>\n", to);
    if (!run->slowest_count)
        fputs("<p>Nothing trapped.</p>\n", to);
    for (size_t i = 0; i < run->slowest_count; i++)
        put_slow_exit(to, &run->slowest[i], i == 0);
}

void page_write(FILE *to, const struct model *model)
{
    put_head(to);
    put_contents(to, model);
    if (model->run_count > 1)
        put_comparison(to, model);
    for (size_t i = 0; i < model->run_count; i++) {
        const struct model_run *run = model->runs[i];
        fprintf(to, "<section aria-labelledby=\"run%zu\"><h2 id=\"run%zu\">", i, i);
        put_run_name(to, model, run);
        fputs("</h2>\n", to);
        put_summary(to, run);
        put_execution(to, run);
        put_timeline(to, run);
        put_causes(to, run);
        put_address_space(to, run);
        put_slowest(to, run);
        fputs("</section>\n", to);
    }
    fprintf(to,
            "</main>\n<footer><p>Made by vmm %s from %zu run%s.</p></footer>\n</body>\n</html>\n",
            vmm_version(), model->run_count, model->run_count == 1 ? "" : "s");
}
