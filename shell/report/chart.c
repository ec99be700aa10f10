/* Rectangles, and what they are for. See chart.h. */
#include "shell/report/chart.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- exits over virtual time ---- */

enum { COLUMN = 6, HEIGHT = 200 };

static int by_count(const void *a, const void *b)
{
    const struct model_cause *left = *(const struct model_cause *const *)a,
                             *right = *(const struct model_cause *const *)b;
    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return strcmp(left->name, right->name);
}

void chart_sort(const struct model_run *run, struct chart_series *series)
{
    series->count = run->cause_count;
    for (size_t i = 0; i < run->cause_count; i++)
        series->causes[i] = &run->causes[i];
    qsort(series->causes, series->count, sizeof *series->causes, by_count);
}

/* Of one bin, the exits of the `i`th series: a cause's, or those of all causes left over. */
static uint64_t height(const struct chart_series *series, size_t i, unsigned bin)
{
    uint64_t sum = 0;
    size_t end = i + 1 < CHART_SERIES ? i + 1 : series->count;
    for (; i < end && i < series->count; i++)
        sum += series->causes[i]->bins[bin];
    return sum;
}

static uint64_t end_of(const struct model_run *run)
{
    return run->end.virtual_time > run->last_time ? run->end.virtual_time : run->last_time;
}

static unsigned bins_used(const struct model_run *run)
{
    uint64_t used = end_of(run) / run->bin_width + 1;
    return used < MODEL_BINS ? (unsigned)used : MODEL_BINS;
}

static void put_column(FILE *to, const struct chart_series *series, unsigned bin, uint64_t most)
{
    double top = HEIGHT;
    for (size_t i = 0; i < CHART_SERIES; i++) {
        double size = (double)height(series, i, bin) / (double)most * HEIGHT;
        if (size <= 0)
            continue;
        top -= size;
        fprintf(to, "<rect class=\"s%zu\" x=\"%u\" y=\"%.2f\" width=\"%d\" height=\"%.2f\"/>", i,
                bin * COLUMN, top, COLUMN - 1, size);
    }
    fputc('\n', to);
}

void chart_timeline(FILE *to, const struct model_run *run, const struct chart_series *series,
                    uint64_t *most)
{
    unsigned bins = bins_used(run);
    *most = 0;
    for (unsigned bin = 0; bin < bins; bin++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < CHART_SERIES; i++)
            sum += height(series, i, bin);
        if (sum > *most)
            *most = sum;
    }
    fprintf(to,
            "<svg class=\"timeline\" viewBox=\"0 0 %.2f %d\" preserveAspectRatio=\"none\" "
            "role=\"img\" aria-label=\"Exits over virtual time, stacked by cause; the tables say "
            "the same in numbers\">\n",
            (double)end_of(run) / (double)run->bin_width * COLUMN + 1, HEIGHT);
    for (unsigned bin = 0; bin < bins && *most; bin++)
        put_column(to, series, bin, *most);
    fputs("</svg>\n", to);
}

/* ---- the address space ---- */

enum { SQUARES = 1024, ROW = 64, SIDE = 10, SQUARE_PAGES = 1024 };

struct square {
    double user, supervisor, shadow; /* pages */
};

/* Shadowed pages are taken to lie evenly in a range, for the trace says only how many there are. */
static void add_range(struct square *squares, const struct vmm_range *range)
{
    double share = (double)range->shadow_pages / range->pages;
    uint32_t page = range->linear / 4096u, end = page + range->pages;
    while (page < end) {
        uint32_t next = (page / SQUARE_PAGES + 1) * SQUARE_PAGES;
        uint32_t count = (next < end ? next : end) - page;
        struct square *square = &squares[page / SQUARE_PAGES];
        *(range->user ? &square->user : &square->supervisor) += count;
        square->shadow += count * share;
        page += count;
    }
}

static void put_square(FILE *to, unsigned i, const struct square *square)
{
    double mapped = (square->user + square->supervisor) / SQUARE_PAGES;
    double side = mapped > 0.3 ? SIDE - 1 : 3 + mapped / 0.3 * (SIDE - 4);
    unsigned x = i % ROW * SIDE, y = i / ROW * SIDE;
    if (mapped <= 0) {
        fprintf(to, "<rect class=\"none\" x=\"%u\" y=\"%u\" width=\"9\" height=\"9\"/>", x, y);
        return;
    }
    fprintf(to,
            "<rect class=\"none\" x=\"%u\" y=\"%u\" width=\"9\" height=\"9\"/><g><title>0x%08x: "
            "%.0f supervisor pages, %.0f of users, %.0f in shadow tables</title><rect "
            "class=\"%s\" x=\"%u\" y=\"%u\" width=\"%.1f\" height=\"%.1f\"/>",
            x, y, i << 22, square->supervisor, square->user, square->shadow,
            square->user > square->supervisor ? "user" : "kernel", x, y, side, side);
    if (square->shadow > 0)
        fprintf(to, "<rect class=\"shadow\" x=\"%u\" y=\"%u\" width=\"%.1f\" height=\"%.1f\"/>", x,
                y, side / 2.2, side / 2.2);
    fputs("</g>", to);
}

void chart_address_space(FILE *to, const struct model_run *run)
{
    static struct square squares[SQUARES];
    memset(squares, 0, sizeof squares);
    for (size_t i = 0; i < run->end.range_count; i++)
        add_range(squares, &run->end.ranges[i]);
    fprintf(to,
            "<svg class=\"space\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"The 4 GB of "
            "linear addresses; the table below says the same in numbers\">\n",
            ROW * SIDE, SQUARES / ROW * SIDE);
    for (unsigned i = 0; i < SQUARES; i++) {
        put_square(to, i, &squares[i]);
        if (i % ROW == ROW - 1)
            fputc('\n', to);
    }
    fputs("</svg>\n", to);
}
