/* Noting first writes. See dirty.h; the faults come through codepages.c, which write-protects
 * frames for a reason of its own. */
#include "dirty.h"

#include <stdlib.h>

#include "codepages.h"

static bool start(struct cpu *cpu)
{
    struct dirty_log *log = &cpu->dirty;
    log->written = calloc(memory_frames(cpu->memory), sizeof *log->written);
    log->count = DIRTY_LISTED + 1; /* of what was written before nothing is known */
    return log->written != 0;
}

void dirty_destroy(struct cpu *cpu)
{
    free(cpu->dirty.written);
    cpu->dirty = (struct dirty_log){0};
}

uint32_t dirty_epoch(struct cpu *cpu)
{
    struct dirty_log *log = &cpu->dirty;
    if (!log->written && !start(cpu))
        return 0;
    if (log->count > DIRTY_LISTED)
        for (uint32_t frame = 0; frame < memory_frames(cpu->memory); frame++)
            engine_protect(cpu->engine, frame, false);
    else
        for (uint32_t i = 0; i < log->count; i++)
            engine_protect(cpu->engine, log->listed[i], false);
    engine_flush_tlb(cpu->engine);
    log->count = 0;
    return ++log->epoch;
}

bool dirty_since(const struct cpu *cpu, uint32_t frame, uint32_t epoch)
{
    return !epoch || frame >= memory_frames(cpu->memory) || cpu->dirty.written[frame] >= epoch;
}

void dirty_visit(const struct cpu *cpu, uint32_t epoch,
                 void (*visit)(void *context, uint32_t frame), void *context)
{
    const struct dirty_log *log = &cpu->dirty;
    if (epoch && epoch == log->epoch && log->count <= DIRTY_LISTED) {
        for (uint32_t i = 0; i < log->count; i++)
            visit(context, log->listed[i]);
        return;
    }
    for (uint32_t frame = 0; frame < memory_frames(cpu->memory); frame++)
        if (dirty_since(cpu, frame, epoch))
            visit(context, frame);
}

/* Whether the first write to `frame` is being waited for. */
static bool waits(const struct cpu *cpu, uint32_t frame)
{
    const struct dirty_log *log = &cpu->dirty;
    return log->epoch && log->written[frame] != log->epoch;
}

bool dirty_note(struct cpu *cpu, uint32_t frame)
{
    struct dirty_log *log = &cpu->dirty;
    if (frame >= memory_frames(cpu->memory) || !waits(cpu, frame))
        return false;
    log->written[frame] = log->epoch;
    if (log->count < DIRTY_LISTED)
        log->listed[log->count] = frame;
    log->count++;
    if (log->count > DIRTY_LISTED)
        log->count = DIRTY_LISTED + 1;
    return true;
}
