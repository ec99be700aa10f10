/* Virtual time, and the timers of the devices that live by it.
 *
 * Time counts cycles of a nominal 100 MHz processor, one for each instruction that retires. The
 * machine keeps `now` right whenever a device is called; devices arm timers and never look at the
 * host's clock. Because a translated block cannot be left in its middle by an event that one of its
 * own port accesses causes, nothing happens sooner than CLOCK_LATENCY cycles after the access that
 * armed it: so an interrupt arrives at the same instruction however the code is cut into blocks. */
#ifndef VMM_MACHINE_CLOCK_H
#define VMM_MACHINE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_HZ      100000000ull
#define CLOCK_LATENCY 1000u /* cycles; more than the longest translated block has instructions */
#define CLOCK_NEVER   UINT64_MAX
#define CLOCK_TIMERS  12

struct clock;

/* Called when a timer's deadline is reached; `now` is that deadline or later. The timer is disarmed
 * before the call and may be armed again in it. */
typedef void clock_fire(void *device, uint64_t now);

struct clock {
    uint64_t now;   /* cycles since power-on, exact during every call to a device */
    uint64_t next;  /* the earliest armed deadline, or CLOCK_NEVER */
    bool in_access; /* a port access is being carried out: the latency rule holds */
    size_t count;
    struct clock_timer {
        const char *name;
        uint64_t deadline; /* CLOCK_NEVER: disarmed */
        clock_fire *fire;
        void *device;
    } timers[CLOCK_TIMERS];
};

void clock_init(struct clock *clock);

/* Registers a timer at power-on; returns its number for clock_arm. Asserts that there is room. */
unsigned clock_add(struct clock *clock, const char *name, clock_fire *fire, void *device);

/* Arms timer number `timer` for `deadline` (cycles; CLOCK_NEVER disarms it). In a port access a
 * deadline nearer than CLOCK_LATENCY from now is moved there. */
void clock_arm(struct clock *clock, unsigned timer, uint64_t deadline);

/* Sets `now` and fires every timer whose deadline has come, in the order of their deadlines and,
 * for equal ones, of their numbers. */
void clock_advance(struct clock *clock, uint64_t now);

#endif
