/* The 8254 (Intel data sheet 231164): three 16-bit down counters in six modes.
 *
 * A write to a counter reaches its counting element at the next tick (in modes 2 and 3 at the end
 * of the running period or half period, in modes 1 and 5 at the next trigger). From there the
 * element's value and OUT are functions of the ticks elapsed, so nothing is stepped and nothing
 * drifts: ticks are floor(cycles * 1193182 / 10^8), exact.
 *
 * Counter 0 drives IRQ 0. Its rising edges are events; its falling edges are shown to the interrupt
 * controller just before the next rise, which spares the machine an event in every period. A
 * request therefore outlives the low part of the wave. Counter 1 (memory refresh) counts but drives
 * nothing; its bit in port 61 toggles every 15.085 us as on a PC/AT. A count of 1 in mode 2 is
 * illegal and leaves OUT high. */
#include "pit.h"

#include <assert.h>
#include <string.h>

#include "../board.h"

/* 1193182 / 10^8 in lowest terms. */
#define TICKS  596591u
#define CYCLES 50000000u

#define REFRESH_CYCLES 1508u /* half a period of the refresh toggle: 18 ticks */
#define NO_TICK        INT64_MAX

enum { RW_LATCH, RW_LOW, RW_HIGH, RW_BOTH };

uint64_t pit_ticks(uint64_t cycles)
{
    if (cycles < UINT64_MAX / TICKS) /* 85 hours: spares the 128-bit division */
        return cycles * TICKS / CYCLES;
    return (uint64_t)((unsigned __int128)cycles * TICKS / CYCLES);
}

uint64_t pit_cycles(uint64_t ticks)
{
    return (uint64_t)(((unsigned __int128)ticks * CYCLES + TICKS - 1) / TICKS);
}

static int64_t present_tick(const struct pit *pit)
{
    return (int64_t)pit_ticks(pit->board->clock.now);
}

/* Modes 6 and 7 are 2 and 3: the top bit is not decoded when the middle one is set. */
static unsigned mode_of(const struct pit_counter *counter)
{
    unsigned mode = (counter->control >> 1) & 7;
    return mode > 5 ? mode - 4 : mode;
}

static unsigned access_of(const struct pit_counter *counter)
{
    return counter->control >> 4;
}

static bool periodic(const struct pit_counter *counter)
{
    unsigned mode = mode_of(counter);
    return mode == 2 || mode == 3;
}

/* Modes 1 and 5 start at a rising edge of the gate and ignore its level. */
static bool triggered(const struct pit_counter *counter)
{
    unsigned mode = mode_of(counter);
    return mode == 1 || mode == 5;
}

static int64_t elapsed(const struct pit_counter *counter, int64_t tick)
{
    return counter->paused ? counter->frozen : tick - counter->origin;
}

/* Mode 3: ticks of the high half; an odd count has the longer half high. */
static int64_t high_half(uint32_t count)
{
    return (count + 1) / 2;
}

/* Hands a count that was written in the middle of a period over, once that has ended. */
static void settle(struct pit_counter *counter, int64_t tick)
{
    if (!counter->pending || !periodic(counter) || counter->paused || tick < counter->transfer_at)
        return;
    int64_t phase = 0;
    if (mode_of(counter) == 3 &&
        (counter->transfer_at - counter->origin) % counter->initial == high_half(counter->initial))
        phase = high_half(counter->reload); /* the low half comes next */
    counter->origin = counter->transfer_at - phase;
    counter->initial = counter->reload;
    counter->pending = false;
}

static bool out_at(const struct pit_counter *counter, int64_t tick)
{
    unsigned mode = mode_of(counter);
    if (!counter->loaded)
        return mode != 0;
    int64_t e = elapsed(counter, tick), n = counter->initial;
    if (e < 0)
        return counter->out_before;
    switch (mode) {
    case 0:
    case 1: return e >= n;
    case 2: return counter->paused || n == 1 || e % n != n - 1;
    case 3: return counter->paused || e % n < high_half(counter->initial);
    default: return counter->paused || e != n;
    }
}

static uint16_t to_bcd(uint32_t value)
{
    return (uint16_t)((value / 1000 % 10) << 12 | (value / 100 % 10) << 8 | (value / 10 % 10) << 4 |
                      value % 10);
}

static uint32_t from_bcd(uint32_t value)
{
    return (value >> 12) * 1000 + (value >> 8 & 15) * 100 + (value >> 4 & 15) * 10 + (value & 15);
}

/* The counting element as a program reads it. */
static uint16_t count_at(const struct pit_counter *counter, int64_t tick)
{
    if (!counter->loaded || elapsed(counter, tick) < 0)
        return counter->count_before;
    int64_t e = elapsed(counter, tick), n = counter->initial, value;
    bool bcd = counter->control & 1;
    int64_t wrap = bcd ? 10000 : 65536;
    if (mode_of(counter) == 2) {
        value = n - e % n;
    } else if (mode_of(counter) == 3) {
        /* Counts down by two in each half, from the even number at or below the count. */
        int64_t high = high_half(counter->initial), phase = e % n;
        value = (n & ~1ll) - 2 * (phase < high ? phase : phase - high);
    } else {
        value = ((n - e) % wrap + wrap) % wrap;
    }
    return bcd ? to_bcd((uint32_t)value) : (uint16_t)value;
}

/* The first tick after `tick` at which OUT rises, or NO_TICK. */
static int64_t next_rise(const struct pit_counter *counter, int64_t tick)
{
    if (!counter->loaded || counter->paused)
        return NO_TICK;
    int64_t n = counter->initial, rise;
    switch (mode_of(counter)) {
    case 0:
    case 1: rise = counter->origin + n; break;
    case 2:
    case 3:
        if (counter->pending) {
            bool low_next = mode_of(counter) == 3 &&
                            (counter->transfer_at - counter->origin) % n == high_half((uint32_t)n);
            return counter->transfer_at + (low_next ? counter->reload / 2 : 0);
        }
        if (n == 1)
            return NO_TICK;
        if (tick < counter->origin)
            return counter->origin + n;
        return tick + n - (tick - counter->origin) % n;
    default: rise = counter->origin + n + 1; break;
    }
    return rise > tick ? rise : NO_TICK;
}

/* The count register goes to the counting element at the next tick. */
static void load(struct pit_counter *counter, int64_t tick)
{
    bool out = mode_of(counter) != 0 && out_at(counter, tick);
    uint16_t count = count_at(counter, tick);
    counter->out_before = out;
    counter->count_before = count;
    counter->initial = counter->reload;
    counter->origin = tick + 1;
    counter->loaded = true;
    counter->pending = false;
    counter->paused = !counter->gate && !triggered(counter);
    counter->frozen = 0;
}

/* The end of the period (mode 2) or half period (mode 3) that is running at `tick`. */
static int64_t period_end(const struct pit_counter *counter, int64_t tick)
{
    int64_t n = counter->initial;
    if (tick < counter->origin)
        return counter->origin + (mode_of(counter) == 3 ? high_half(counter->initial) : n);
    int64_t phase = (tick - counter->origin) % n, start = tick - phase;
    if (mode_of(counter) == 3 && phase < high_half(counter->initial))
        return start + high_half(counter->initial);
    return start + n;
}

static void write_count(struct pit_counter *counter, int64_t tick, uint16_t value)
{
    uint32_t count = counter->control & 1 ? from_bcd(value) : value;
    counter->reload = count ? count : counter->control & 1 ? 10000 : 65536;
    if (triggered(counter)) {
        counter->pending = true;
    } else if (periodic(counter) && counter->loaded && !counter->paused) {
        counter->transfer_at = period_end(counter, tick);
        counter->pending = true;
    } else {
        load(counter, tick);
    }
}

static void write_counter(struct pit_counter *counter, int64_t tick, uint8_t value)
{
    switch (access_of(counter)) {
    case RW_LOW: write_count(counter, tick, value); return;
    case RW_HIGH: write_count(counter, tick, (uint16_t)(value << 8)); return;
    default: break;
    }
    if (counter->high_next_out) {
        counter->high_next_out = false;
        write_count(counter, tick, (uint16_t)(value << 8 | counter->low_out));
        return;
    }
    counter->high_next_out = true;
    counter->low_out = value;
    if (mode_of(counter) == 0) { /* the first byte stops the count and drops OUT */
        counter->count_before = count_at(counter, tick);
        counter->loaded = false;
    }
}

static void set_gate(struct pit_counter *counter, int64_t tick, bool gate)
{
    settle(counter, tick);
    bool rises = gate && !counter->gate;
    bool falls = !gate && counter->gate;
    counter->gate = gate;
    if (triggered(counter)) {
        if (rises && (counter->pending || counter->loaded))
            load(counter, tick);
        return;
    }
    if (!counter->loaded)
        return;
    if (falls) {
        int64_t e = elapsed(counter, tick);
        counter->frozen = e < 0 ? 0 : e;
        counter->paused = true;
    } else if (rises && periodic(counter)) {
        load(counter, tick);
    } else if (rises) {
        counter->origin = tick - counter->frozen;
        counter->paused = false;
    }
}

static uint8_t status_of(const struct pit_counter *counter, int64_t tick)
{
    bool null_count =
        counter->pending || !counter->loaded || (!counter->paused && tick < counter->origin);
    return (uint8_t)(out_at(counter, tick) << 7 | null_count << 6 | counter->control);
}

static void latch_count(struct pit_counter *counter, int64_t tick)
{
    if (counter->count_latched)
        return;
    counter->count_latched = true;
    counter->count_latch = count_at(counter, tick);
}

static void read_back(struct pit *pit, int64_t tick, uint8_t command)
{
    for (unsigned i = 0; i < 3; i++) {
        struct pit_counter *counter = &pit->counter[i];
        if (!(command & (2u << i)))
            continue;
        settle(counter, tick);
        if (!(command & 0x20))
            latch_count(counter, tick);
        if (!(command & 0x10) && !counter->status_latched) {
            counter->status_latched = true;
            counter->status_latch = status_of(counter, tick);
        }
    }
}

static void write_control(struct pit_counter *counter, int64_t tick, uint8_t value)
{
    counter->count_before = count_at(counter, tick);
    counter->control = value & 0x3f;
    counter->loaded = counter->pending = counter->paused = false;
    counter->high_next_out = counter->high_next_in = false;
    counter->count_latched = counter->status_latched = false;
}

static uint8_t read_counter(struct pit_counter *counter, int64_t tick)
{
    if (counter->status_latched) {
        counter->status_latched = false;
        return counter->status_latch;
    }
    uint16_t count = counter->count_latched ? counter->count_latch : count_at(counter, tick);
    unsigned access = access_of(counter);
    bool high = access == RW_HIGH || (access == RW_BOTH && counter->high_next_in);
    if (access == RW_BOTH)
        counter->high_next_in = !high;
    if (access != RW_BOTH || high)
        counter->count_latched = false;
    return (uint8_t)(high ? count >> 8 : count);
}

static void arm(struct pit *pit, int64_t tick)
{
    int64_t rise = next_rise(&pit->counter[0], tick);
    clock_arm(&pit->board->clock, pit->timer,
              rise == NO_TICK ? CLOCK_NEVER : pit_cycles((uint64_t)rise));
}

/* Counter 0's OUT has risen. */
static void fire(void *device, uint64_t now)
{
    struct pit *pit = device;
    int64_t tick = (int64_t)pit_ticks(now);
    settle(&pit->counter[0], tick);
    pic_set_line(&pit->board->pic, 0, false);
    pic_set_line(&pit->board->pic, 0, true);
    arm(pit, tick);
}

static uint8_t pit_in(void *device, uint16_t port)
{
    struct pit *pit = device;
    if ((port & 3) == 3)
        return 0xff;
    int64_t tick = present_tick(pit);
    struct pit_counter *counter = &pit->counter[port & 3];
    settle(counter, tick);
    return read_counter(counter, tick);
}

static void pit_out(void *device, uint16_t port, uint8_t value)
{
    struct pit *pit = device;
    int64_t tick = present_tick(pit);
    unsigned which = (port & 3) == 3 ? value >> 6 : port & 3;
    if (which == 3) {
        read_back(pit, tick, value);
        return;
    }
    struct pit_counter *counter = &pit->counter[which];
    settle(counter, tick);
    bool control = (port & 3) == 3;
    if (control && (value & 0x30) == 0) {
        latch_count(counter, tick);
        return;
    }
    if (control)
        write_control(counter, tick, value);
    else
        write_counter(counter, tick, value);
    if (which != 0)
        return;
    if (control || mode_of(counter) == 0)
        pic_set_line(&pit->board->pic, 0, out_at(counter, tick));
    arm(pit, tick);
}

bool pit_output(struct pit *pit, unsigned counter)
{
    assert(counter < 3);
    int64_t tick = present_tick(pit);
    settle(&pit->counter[counter], tick);
    return out_at(&pit->counter[counter], tick);
}

static uint8_t speaker_in(void *device, uint16_t port)
{
    (void)port;
    struct pit *pit = device;
    uint8_t refresh = pit->board->clock.now / REFRESH_CYCLES & 1;
    return (uint8_t)(pit->port61 | refresh << 4 | pit_output(pit, 2) << 5);
}

static void speaker_out(void *device, uint16_t port, uint8_t value)
{
    (void)port;
    struct pit *pit = device;
    pit->port61 = value & 0x0f;
    set_gate(&pit->counter[2], present_tick(pit), value & 1);
}

static const struct bus_device pit_ports = {.name = "pit", .in = pit_in, .out = pit_out};
static const struct bus_device speaker_ports = {
    .name = "speaker", .in = speaker_in, .out = speaker_out};

void pit_init(struct pit *pit, struct board *board)
{
    memset(pit, 0, sizeof *pit);
    pit_wire(pit, board);
    for (unsigned i = 0; i < 3; i++) {
        pit->counter[i].control = RW_BOTH << 4 | 3 << 1;
        pit->counter[i].gate = i != 2;
        write_count(&pit->counter[i], 0, 0);
    }
    pic_set_line(&board->pic, 0, true);
    arm(pit, 0);
}

void pit_wire(struct pit *pit, struct board *board)
{
    pit->board = board;
    pit->timer = clock_add(&board->clock, "pit", fire, pit);
    bus_claim(&board->bus, 0x40, 0x43, &pit_ports, pit);
    bus_claim(&board->bus, 0x61, 0x61, &speaker_ports, pit);
}
