/* The MC146818 real-time clock (Motorola data sheet, section numbers by its headings "Time,
 * Calendar, and Alarm Locations", "Interrupts", "Update Cycle") with 128 bytes of CMOS memory as a
 * PC/AT uses it.
 *
 * Nothing runs in the background: each access first brings the registers up to the present second.
 * The machine has a timer armed only while an enabled interrupt is still to come. The update cycle
 * is shown as the data sheet draws it for a 32.768 kHz crystal: UIP rises 244 + 1984 us before the
 * registers change, so a program that finds it clear has 244 us to read them. */
#include "rtc.h"

#include <string.h>

#include "../board.h"

enum {
    SECONDS,
    SECONDS_ALARM,
    MINUTES,
    MINUTES_ALARM,
    HOURS,
    HOURS_ALARM,
    DAY_OF_WEEK,
    DAY,
    MONTH,
    YEAR,
    REGISTER_A,
    REGISTER_B,
    REGISTER_C,
    REGISTER_D,
    CENTURY = 0x32,
};

enum {
    A_UIP = 0x80,
    A_DIVIDER = 0x70,
    A_DIVIDER_RESET = 0x60, /* 110 and 111 hold the divider in reset */
    A_RATE = 0x0f,
    B_SET = 0x80,
    B_PIE = 0x40,
    B_AIE = 0x20,
    B_UIE = 0x10,
    B_BINARY = 0x04,
    B_24H = 0x02,
    C_IRQF = 0x80,
    C_PF = 0x40,
    C_AF = 0x20,
    C_UF = 0x10,
    C_FLAGS = C_PF | C_AF | C_UF,
    D_VRT = 0x80,
    PM = 0x80,        /* in the hours of the 12-hour format */
    ANY_ALARM = 0xc0, /* an alarm byte from C0 up matches everything */
};

#define IRQ           8u
#define UPDATE_CYCLES (CLOCK_HZ / 1000000 * (244 + 1984))
#define DAY_SECONDS   86400u

static uint8_t decode(const struct rtc *rtc, uint8_t value)
{
    return rtc->cmos[REGISTER_B] & B_BINARY ? value : (uint8_t)((value >> 4) * 10 + (value & 15));
}

static uint8_t encode(const struct rtc *rtc, unsigned value)
{
    return (uint8_t)(rtc->cmos[REGISTER_B] & B_BINARY ? value
                                                      : (value / 10 % 10) << 4 | value % 10);
}

static unsigned hours_of(const struct rtc *rtc)
{
    uint8_t value = rtc->cmos[HOURS];
    if (rtc->cmos[REGISTER_B] & B_24H)
        return decode(rtc, value);
    return decode(rtc, value & (uint8_t)~PM) % 12u + (value & PM ? 12 : 0);
}

static void set_hours(struct rtc *rtc, unsigned hours)
{
    if (rtc->cmos[REGISTER_B] & B_24H) {
        rtc->cmos[HOURS] = encode(rtc, hours);
        return;
    }
    unsigned twelve = hours % 12 ? hours % 12 : 12;
    rtc->cmos[HOURS] = (uint8_t)(encode(rtc, twelve) | (hours >= 12 ? PM : 0));
}

/* Adds one to a register that runs from `first` to `last`; true when it starts over. */
static bool increment(struct rtc *rtc, unsigned where, unsigned first, unsigned last)
{
    unsigned value = decode(rtc, rtc->cmos[where]) + 1u;
    bool wraps = value > last;
    rtc->cmos[where] = encode(rtc, wraps ? first : value);
    return wraps;
}

static unsigned days_in_month(const struct rtc *rtc)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned month = decode(rtc, rtc->cmos[MONTH]);
    if (month < 1 || month > 12)
        return 31;
    bool leap = decode(rtc, rtc->cmos[YEAR]) % 4 == 0; /* all that the chip knows about it */
    return days[month - 1] + (month == 2 && leap);
}

static void next_day(struct rtc *rtc)
{
    unsigned last = days_in_month(rtc);
    increment(rtc, DAY_OF_WEEK, 1, 7);
    if (!increment(rtc, DAY, 1, last) || !increment(rtc, MONTH, 1, 12))
        return;
    if (increment(rtc, YEAR, 0, 99)) { /* the century is the firmware's convention: always BCD */
        unsigned century = (rtc->cmos[CENTURY] >> 4) * 10u + (rtc->cmos[CENTURY] & 15) + 1u;
        rtc->cmos[CENTURY] = (uint8_t)((century / 10 % 10) << 4 | century % 10);
    }
}

static void next_second(struct rtc *rtc)
{
    if (!increment(rtc, SECONDS, 0, 59) || !increment(rtc, MINUTES, 0, 59))
        return;
    unsigned hours = hours_of(rtc) + 1;
    set_hours(rtc, hours > 23 ? 0 : hours);
    if (hours > 23)
        next_day(rtc);
}

static bool alarm_matches(const struct rtc *rtc)
{
    for (unsigned i = SECONDS; i <= HOURS; i += 2) {
        uint8_t alarm = rtc->cmos[i + 1];
        if ((alarm & ANY_ALARM) != ANY_ALARM && alarm != rtc->cmos[i])
            return false;
    }
    return true;
}

static bool divider_runs(const struct rtc *rtc)
{
    return (rtc->cmos[REGISTER_A] & A_DIVIDER_RESET) != A_DIVIDER_RESET;
}

/* Periodic interrupts in a second, 0 if none. Rates 1 and 2 repeat 8 and 9 with this crystal. */
static unsigned periodic_rate(const struct rtc *rtc)
{
    unsigned rate = rtc->cmos[REGISTER_A] & A_RATE;
    if (rate == 0)
        return 0;
    return 32768u >> ((rate < 3 ? rate + 7 : rate) - 1);
}

static uint64_t periods_at(const struct rtc *rtc, uint64_t now)
{
    return (uint64_t)((unsigned __int128)(uint64_t)((int64_t)now - rtc->origin) *
                      periodic_rate(rtc) / CLOCK_HZ);
}

static uint64_t seconds_at(const struct rtc *rtc, uint64_t now)
{
    return (uint64_t)((int64_t)now - rtc->origin) / CLOCK_HZ;
}

static void pass_seconds(struct rtc *rtc, uint64_t count)
{
    for (; count > 2 * DAY_SECONDS; count -= DAY_SECONDS) /* a leap: no alarm needs a second look */
        next_day(rtc);
    for (; count; count--) {
        next_second(rtc);
        if (alarm_matches(rtc))
            rtc->flags |= C_AF;
    }
    rtc->flags |= C_UF;
}

/* Brings registers and flags up to `now`. */
static void catch_up(struct rtc *rtc, uint64_t now)
{
    if (!divider_runs(rtc))
        return;
    uint64_t seconds = seconds_at(rtc, now), periods = periods_at(rtc, now);
    if (seconds != rtc->seconds && !(rtc->cmos[REGISTER_B] & B_SET))
        pass_seconds(rtc, seconds - rtc->seconds);
    if (periods != rtc->periods && periodic_rate(rtc))
        rtc->flags |= C_PF;
    rtc->seconds = seconds;
    rtc->periods = periods;
}

static bool interrupting(const struct rtc *rtc)
{
    return rtc->flags & rtc->cmos[REGISTER_B] & C_FLAGS; /* the enables have the flags' places */
}

/* The interrupt line, and the next moment at which it might change. */
static void update(struct rtc *rtc)
{
    uint64_t next = CLOCK_NEVER;
    uint8_t enabled = rtc->cmos[REGISTER_B];
    if (!interrupting(rtc) && divider_runs(rtc)) {
        if ((enabled & (B_AIE | B_UIE)) && !(enabled & B_SET))
            next = (uint64_t)(rtc->origin + (int64_t)((rtc->seconds + 1) * CLOCK_HZ));
        unsigned rate = periodic_rate(rtc);
        if ((enabled & B_PIE) && rate) {
            uint64_t offset =
                (uint64_t)(((unsigned __int128)(rtc->periods + 1) * CLOCK_HZ + rate - 1) / rate);
            uint64_t periodic = (uint64_t)(rtc->origin + (int64_t)offset);
            if (periodic < next)
                next = periodic;
        }
    }
    clock_arm(&rtc->board->clock, rtc->timer, next);
    pic_set_line(&rtc->board->pic, IRQ, interrupting(rtc));
}

static void fire(void *device, uint64_t now)
{
    struct rtc *rtc = device;
    catch_up(rtc, now);
    update(rtc);
}

static bool update_in_progress(const struct rtc *rtc, uint64_t now)
{
    if (!divider_runs(rtc) || (rtc->cmos[REGISTER_B] & B_SET))
        return false;
    uint64_t into = (uint64_t)((int64_t)now - rtc->origin) % CLOCK_HZ;
    return into >= CLOCK_HZ - UPDATE_CYCLES;
}

static uint8_t read_c(struct rtc *rtc)
{
    uint8_t value = (uint8_t)(rtc->flags | (interrupting(rtc) ? C_IRQF : 0));
    rtc->flags = 0;
    update(rtc);
    return value;
}

static void write_a(struct rtc *rtc, uint64_t now, uint8_t value)
{
    bool ran = divider_runs(rtc);
    rtc->cmos[REGISTER_A] = value & (uint8_t)~A_UIP;
    if (!ran && divider_runs(rtc)) { /* the first update comes half a second after the reset */
        rtc->origin = (int64_t)now - (int64_t)(CLOCK_HZ / 2);
        rtc->seconds = 0;
    }
    if (divider_runs(rtc))
        rtc->periods = periods_at(rtc, now);
}

static uint8_t data_in(struct rtc *rtc, uint64_t now)
{
    catch_up(rtc, now);
    switch (rtc->index) {
    case REGISTER_A:
        return (uint8_t)(rtc->cmos[REGISTER_A] | (update_in_progress(rtc, now) ? A_UIP : 0));
    case REGISTER_C: return read_c(rtc);
    case REGISTER_D: return D_VRT;
    default: return rtc->cmos[rtc->index];
    }
}

static void data_out(struct rtc *rtc, uint64_t now, uint8_t value)
{
    catch_up(rtc, now);
    switch (rtc->index) {
    case REGISTER_A: write_a(rtc, now, value); break;
    case REGISTER_B: /* setting SET clears UIE */
        rtc->cmos[REGISTER_B] = value & B_SET ? value & (uint8_t)~B_UIE : value;
        break;
    case REGISTER_C:
    case REGISTER_D: return; /* read-only */
    default: rtc->cmos[rtc->index] = value; return;
    }
    update(rtc);
}

static uint8_t rtc_in(void *device, uint16_t port)
{
    struct rtc *rtc = device;
    if (!(port & 1))
        return 0xff; /* the index is write-only */
    return data_in(rtc, rtc->board->clock.now);
}

static void rtc_out(void *device, uint16_t port, uint8_t value)
{
    struct rtc *rtc = device;
    if (port & 1) {
        data_out(rtc, rtc->board->clock.now, value);
        return;
    }
    rtc->index = value & 0x7f;
    rtc->nmi_masked = value & 0x80;
}

static void set_word(struct rtc *rtc, unsigned where, uint32_t value)
{
    rtc->cmos[where] = (uint8_t)value;
    rtc->cmos[where + 1] = (uint8_t)(value >> 8);
}

/* Base memory in KB, memory above 1 MB in KB up to 64 MB, memory above 16 MB in 64 KB. */
static void set_memory_size(struct rtc *rtc, uint32_t size)
{
    uint32_t kilobytes = size / 1024;
    uint32_t extended = kilobytes > 1024 ? kilobytes - 1024 : 0;
    uint32_t high = kilobytes > 16384 ? (kilobytes - 16384) / 64 : 0;
    set_word(rtc, 0x15, kilobytes < 640 ? kilobytes : 640);
    set_word(rtc, 0x17, extended > 65535 ? 65535 : extended);
    set_word(rtc, 0x30, extended > 65535 ? 65535 : extended);
    set_word(rtc, 0x34, high > 65535 ? 65535 : high);
}

static const struct bus_device rtc_ports = {.name = "rtc", .in = rtc_in, .out = rtc_out};

void rtc_init(struct rtc *rtc, struct board *board, uint32_t memory_size)
{
    memset(rtc, 0, sizeof *rtc);
    rtc->cmos[DAY_OF_WEEK] = 0x05; /* Thursday, Sunday is 1 */
    rtc->cmos[DAY] = 0x01;
    rtc->cmos[MONTH] = 0x01;
    rtc->cmos[YEAR] = 0x26;
    rtc->cmos[CENTURY] = 0x20;
    rtc->cmos[REGISTER_A] = 0x26; /* 32.768 kHz, periodic rate 1024 Hz */
    rtc->cmos[REGISTER_B] = B_24H;
    rtc->cmos[0x14] = 0x02; /* equipment: a coprocessor, no diskette */
    set_memory_size(rtc, memory_size);
    unsigned sum = 0; /* the firmware's checksum over 10 to 2D, high byte first */
    for (unsigned i = 0x10; i < 0x2e; i++)
        sum += rtc->cmos[i];
    rtc->cmos[0x2e] = (uint8_t)(sum >> 8);
    rtc->cmos[0x2f] = (uint8_t)sum;
    rtc_wire(rtc, board);
}

void rtc_wire(struct rtc *rtc, struct board *board)
{
    rtc->board = board;
    rtc->timer = clock_add(&board->clock, "rtc", fire, rtc);
    bus_claim(&board->bus, 0x70, 0x71, &rtc_ports, rtc);
}
