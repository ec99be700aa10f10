/* Virtual time: an array of timers, and the earliest of their deadlines kept at hand, because that
 * one number is what the machine compares its instruction count with. There are a dozen timers at
 * most, so a scan is cheaper than any queue, and it makes the order of equal deadlines plain. */
#include "clock.h"

#include <assert.h>
#include <string.h>

void clock_init(struct clock *clock)
{
    memset(clock, 0, sizeof *clock);
    clock->next = CLOCK_NEVER;
}

unsigned clock_add(struct clock *clock, const char *name, clock_fire *fire, void *device)
{
    assert(clock->count < CLOCK_TIMERS);
    clock->timers[clock->count] =
        (struct clock_timer){.name = name, .deadline = CLOCK_NEVER, .fire = fire, .device = device};
    return (unsigned)clock->count++;
}

/* The timer whose turn is first: the earliest deadline, the lowest number among equal ones. */
static struct clock_timer *earliest(struct clock *clock)
{
    struct clock_timer *first = &clock->timers[0];
    for (size_t i = 1; i < clock->count; i++)
        if (clock->timers[i].deadline < first->deadline)
            first = &clock->timers[i];
    return first;
}

void clock_arm(struct clock *clock, unsigned timer, uint64_t deadline)
{
    assert(timer < clock->count);
    if (deadline != CLOCK_NEVER) {
        /* Never in the past either: a device that re-arms itself must not hold up the clock. */
        uint64_t soonest = clock->now + (clock->in_access ? CLOCK_LATENCY : 1);
        if (deadline < soonest)
            deadline = soonest;
    }
    clock->timers[timer].deadline = deadline;
    clock->next = earliest(clock)->deadline;
}

void clock_advance(struct clock *clock, uint64_t now)
{
    clock->now = now;
    while (clock->next <= now) {
        struct clock_timer *timer = earliest(clock);
        timer->deadline = CLOCK_NEVER;
        clock->next = earliest(clock)->deadline;
        timer->fire(timer->device, now);
    }
}
