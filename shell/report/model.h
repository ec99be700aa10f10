/* What a report is made of: each VM of each trace is a *run*, with its exits by cause, their
 * distribution over virtual time, and the slowest of them. A trace of any length comes to the same
 * few hundred kilobytes. */
#ifndef SHELL_REPORT_MODEL_H
#define SHELL_REPORT_MODEL_H

#include "shell/report/trace_file.h"

enum { MODEL_BINS = 128, MODEL_SLOWEST = 10, MODEL_RUNS = 32 };

struct model_cause {
    const char *name;
    uint64_t count, ns_total, ns_most; /* in the trace */
    uint64_t bins[MODEL_BINS];         /* exits, by virtual time */
};

struct model_run {
    const char *file; /* the trace's name */
    struct trace_begin begin;
    struct trace_end end;
    bool begun, ended;
    uint64_t records, last_time;
    uint64_t bin_width; /* cycles, a power of two */
    struct model_cause causes[TRACE_CAUSES];
    size_t cause_count;
    struct trace_record slowest[MODEL_SLOWEST]; /* the slowest first */
    size_t slowest_count;
};

struct model {
    struct trace_names names;
    struct model_run *runs[MODEL_RUNS];
    size_t run_count;
    const char *reading;  /* the file being read */
    size_t reading_first; /* its first run */
};

/* Adds the runs of the trace in `file`, called `name`, which must live as long as the model.
 * Returns whether it is a complete trace; else `why`, of `room` bytes, has one sentence. */
bool model_read(struct model *model, FILE *file, const char *name, char *why, size_t room);

/* Exits of the whole run by its own count, not by what the trace has. */
uint64_t model_exits(const struct model_run *run);

void model_free(struct model *model);

#endif
