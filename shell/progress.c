/* Progress of a run. See progress.h. */
#include "shell/progress.h"

#include "shell/clock.h"

#include <stdio.h>
#include <unistd.h>

static const double interval = 0.25; /* seconds */

enum { FIRST_SLICE = 1000000, LARGEST_SLICE = 1000000000 };

static double seconds(void)
{
    return (double)clock_ns() / 1e9;
}

void progress_begin(struct progress *progress)
{
    *progress = (struct progress){.begin = seconds(), .slice = FIRST_SLICE};
    progress->last = progress->begin;
    progress->shown = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
}

void progress_show(struct progress *progress, const struct vmm_vm *vm)
{
    struct vmm_statistics statistics;
    double now = seconds(), passed = now - progress->last;
    if (passed < interval / 2) {
        progress->slice = progress->slice < LARGEST_SLICE / 2 ? progress->slice * 2 : LARGEST_SLICE;
        return;
    }
    vmm_statistics(vm, &statistics);
    double rate = (double)(statistics.guest_instructions - progress->before) / passed;
    fprintf(stderr,
            "\r%.1f s: %.1f million instructions, %.1f million a second, %.3f s virtual\033[K",
            now - progress->begin, (double)statistics.guest_instructions / 1e6, rate / 1e6,
            (double)statistics.virtual_time / 1e8);
    fflush(stderr);
    progress->drawn = true;
    progress->last = now;
    progress->before = statistics.guest_instructions;
    progress->slice = (uint64_t)(rate * interval) + FIRST_SLICE / 100;
}

void progress_end(struct progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}
