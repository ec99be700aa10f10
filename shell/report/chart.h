/* Pictures of a report, as SVG inside the page. They hold no text and no colours of their own: text
 * is the page's, so that it stays legible however narrow the picture is, and colours are classes
 * of its style sheet, so that light, dark and paper each have theirs. */
#ifndef SHELL_REPORT_CHART_H
#define SHELL_REPORT_CHART_H

#include "shell/report/model.h"

enum { CHART_SERIES = 6 }; /* the last is what is left over */

/* The causes of a run in the order of the pictures: the most frequent first. */
struct chart_series {
    const struct model_cause *causes[TRACE_CAUSES];
    size_t count;
};

void chart_sort(const struct model_run *run, struct chart_series *series);

/* Exits over virtual time, stacked by cause. `*most` becomes the exits of the highest column. */
void chart_timeline(FILE *to, const struct model_run *run, const struct chart_series *series,
                    uint64_t *most);

/* The address space: a square for each 4 MB, 64 in a row, filled as far as it is mapped; the part
 * of that in the shadow tables is marked. */
void chart_address_space(FILE *to, const struct model_run *run);

#endif
