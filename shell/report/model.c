/* Traces summed up as they are read. How long a run is shows only at its end: the bins of virtual
 * time begin narrow, and when time outgrows them, neighbours are joined and all are twice as wide.
 * See model.h. */
#include "shell/report/model.h"

#include <stdlib.h>
#include <string.h>

static struct model_run *find_run(struct model *model, unsigned vm)
{
    for (size_t i = model->reading_first; i < model->run_count; i++)
        if (model->runs[i]->begin.vm == vm)
            return model->runs[i];
    if (model->run_count == MODEL_RUNS)
        return NULL;
    struct model_run *run = calloc(1, sizeof *run);
    if (!run)
        return NULL;
    run->file = model->reading;
    run->begin.vm = vm;
    run->bin_width = 1;
    return model->runs[model->run_count++] = run;
}

static bool take_begin(void *context, const struct trace_begin *begin)
{
    struct model_run *run = find_run(context, begin->vm);
    if (!run)
        return false;
    run->begin = *begin;
    run->begun = true;
    return true;
}

static bool take_end(void *context, const struct trace_end *end)
{
    struct model_run *run = find_run(context, end->vm);
    if (!run)
        return false;
    run->end = *end;
    run->ended = true;
    return true;
}

/* ---- records ---- */

static struct model_cause *find_cause(struct model_run *run, const char *name)
{
    for (size_t i = 0; i < run->cause_count; i++)
        if (run->causes[i].name == name) /* names are there once */
            return &run->causes[i];
    if (run->cause_count == TRACE_CAUSES)
        return NULL;
    run->causes[run->cause_count].name = name;
    return &run->causes[run->cause_count++];
}

static void widen(struct model_run *run)
{
    for (size_t c = 0; c < run->cause_count; c++) {
        uint64_t *bins = run->causes[c].bins;
        for (unsigned i = 0; i < MODEL_BINS; i++)
            bins[i] = i < MODEL_BINS / 2 ? bins[2 * i] + bins[2 * i + 1] : 0;
    }
    run->bin_width *= 2;
}

static void keep_slowest(struct model_run *run, const struct trace_record *record)
{
    size_t at = run->slowest_count;
    uint64_t ns = record->record.host_ns;
    if (at == MODEL_SLOWEST && run->slowest[at - 1].record.host_ns >= ns)
        return;
    if (at < MODEL_SLOWEST)
        run->slowest_count++;
    else
        at--;
    for (; at && run->slowest[at - 1].record.host_ns < ns; at--)
        run->slowest[at] = run->slowest[at - 1];
    run->slowest[at] = *record;
}

static bool take_record(void *context, const struct trace_record *taken)
{
    const struct vmm_record *record = &taken->record;
    struct model_run *run = find_run(context, record->vm);
    struct model_cause *cause = run ? find_cause(run, record->cause) : NULL;
    if (!cause)
        return false;
    while (record->time / run->bin_width >= MODEL_BINS)
        widen(run);
    cause->bins[record->time / run->bin_width]++;
    cause->count++;
    cause->ns_total += record->host_ns;
    if (record->host_ns > cause->ns_most)
        cause->ns_most = record->host_ns;
    if (record->time > run->last_time)
        run->last_time = record->time;
    run->records++;
    keep_slowest(run, taken);
    return true;
}

/* ---- a whole trace ---- */

static bool complete(const struct model *model, const char *name, char *why, size_t room)
{
    for (size_t i = model->reading_first; i < model->run_count; i++) {
        const struct model_run *run = model->runs[i];
        if (run->begun && run->ended && run->records == run->end.records)
            continue;
        snprintf(why, room,
                 "'%s' is not complete: %s; trace the run again and let it come to its end", name,
                 run->ended ? "records are missing from it" : "it has no end");
        return false;
    }
    return true;
}

bool model_read(struct model *model, FILE *file, const char *name, char *why, size_t room)
{
    const struct trace_client client = {model, take_begin, take_record, take_end};
    model->reading = name;
    model->reading_first = model->run_count;
    if (!trace_read(file, name, &model->names, &client, why, room))
        return false;
    if (model->run_count == MODEL_RUNS) {
        snprintf(why, room,
                 "there are more than %d virtual machines in the traces; leave some away",
                 MODEL_RUNS - 1);
        return false;
    }
    return complete(model, name, why, room);
}

uint64_t model_exits(const struct model_run *run)
{
    uint64_t exits = 0;
    for (size_t i = 0; i < run->end.exit_count; i++)
        exits += run->end.exits[i].count;
    return exits;
}

void model_free(struct model *model)
{
    while (model->run_count)
        free(model->runs[--model->run_count]);
    trace_names_free(&model->names);
}
