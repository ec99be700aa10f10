/* The MC146818 against its data sheet (Motorola MC146818/D), and the CMOS memory of a PC/AT. */
#include "board_fixture.h"

static void set_up(void)
{
    power_on();
    initialize_pic(0x11, 0x03);
    out(0x21, 0x01);
    /* The 8254's counter 0 waits for a count: years pass here, without its ticks. */
    out(0x43, 0x30);
}

static uint8_t get(uint8_t index)
{
    out(0x70, index);
    return in(0x71);
}

static void set(uint8_t index, uint8_t value)
{
    out(0x70, index);
    out(0x71, value);
}

static bool line(void)
{
    return board.pic.chip[1].lines & 1;
}

static void set_date(uint8_t year, uint8_t month, uint8_t day, uint8_t hours, uint8_t minutes,
                     uint8_t seconds)
{
    set(0, seconds);
    set(2, minutes);
    set(4, hours);
    set(7, day);
    set(8, month);
    set(9, year);
}

static void assert_date(uint8_t year, uint8_t month, uint8_t day, uint8_t hours, uint8_t minutes,
                        uint8_t seconds)
{
    cr_assert_eq(get(9), year);
    cr_assert_eq(get(8), month);
    cr_assert_eq(get(7), day);
    cr_assert_eq(get(4), hours);
    cr_assert_eq(get(2), minutes);
    cr_assert_eq(get(0), seconds);
}

Test(rtc, power_on_date, .init = set_up)
{
    assert_date(0x26, 0x01, 0x01, 0, 0, 0);
    cr_assert_eq(get(6), 5, "a Thursday");
    cr_assert_eq(get(0x32), 0x20);
    cr_assert_eq(get(0x0a), 0x26);
    cr_assert_eq(get(0x0b), 0x02);
    cr_assert_eq(get(0x0d), 0x80);
}

Test(rtc, goes_with_virtual_time, .init = set_up)
{
    wait_until(CLOCK_HZ - 1);
    cr_assert_eq(get(0), 0);
    wait_until(CLOCK_HZ);
    cr_assert_eq(get(0), 1);
    wait_until(CLOCK_HZ * (3600 * 25 + 61));
    assert_date(0x26, 0x01, 0x02, 0x01, 0x01, 0x01);
    cr_assert_eq(get(6), 6);
}

Test(rtc, rolls_over_months_years_and_leap_days, .init = set_up)
{
    set_date(0x28, 0x02, 0x28, 0x23, 0x59, 0x59);
    wait_for(CLOCK_HZ);
    assert_date(0x28, 0x02, 0x29, 0, 0, 0);
    set_date(0x27, 0x02, 0x28, 0x23, 0x59, 0x59);
    wait_for(CLOCK_HZ);
    assert_date(0x27, 0x03, 0x01, 0, 0, 0);
    set(6, 7);
    set_date(0x99, 0x12, 0x31, 0x23, 0x59, 0x59);
    wait_for(CLOCK_HZ);
    assert_date(0x00, 0x01, 0x01, 0, 0, 0);
    cr_assert_eq(get(0x32), 0x21);
    cr_assert_eq(get(6), 1, "Sunday follows Saturday");
}

Test(rtc, binary_mode, .init = set_up)
{
    set(0x0b, 0x06);
    set_date(59, 12, 30, 23, 59, 59);
    wait_for(CLOCK_HZ);
    assert_date(59, 12, 31, 0, 0, 0);
}

Test(rtc, twelve_hour_mode, .init = set_up)
{
    set(0x0b, 0x00);
    set_date(0x26, 0x01, 0x01, 0x11, 0x59, 0x59);
    wait_for(CLOCK_HZ);
    cr_assert_eq(get(4), 0x92, "12 PM is noon");
    wait_for(CLOCK_HZ * 3600);
    cr_assert_eq(get(4), 0x81);
    wait_for(CLOCK_HZ * 3600 * 11);
    cr_assert_eq(get(4), 0x12, "12 AM is midnight");
    cr_assert_eq(get(7), 0x02);
}

/* "Update cycle": UIP is set 244 us before the update, which takes 1984 us with a 32 kHz crystal.
 */
Test(rtc, update_in_progress, .init = set_up)
{
    uint64_t window = CLOCK_HZ / 1000000 * 2228;
    wait_until(CLOCK_HZ - window - 1);
    cr_assert_eq(get(0x0a), 0x26);
    wait_until(CLOCK_HZ - window);
    cr_assert_eq(get(0x0a), 0xa6);
    wait_until(CLOCK_HZ - 1);
    cr_assert_eq(get(0x0a), 0xa6);
    wait_until(CLOCK_HZ);
    cr_assert_eq(get(0x0a), 0x26);
    cr_assert_eq(get(0), 1);
}

/* SET "aborts any update in progress"; the time stands still and UIE is cleared. */
Test(rtc, set_stops_updates, .init = set_up)
{
    set(0x0b, 0x92);
    cr_assert_eq(get(0x0b), 0x82);
    wait_for(10 * CLOCK_HZ - 100);
    cr_assert_eq(get(0), 0);
    cr_assert_eq(get(0x0a) & 0x80, 0);
    cr_assert_eq(get(0x0c) & 0x10, 0);
    set(0x0b, 0x02);
    wait_for(CLOCK_HZ);
    cr_assert_eq(get(0), 1);
}

/* "When the divider is changed from reset to an operating time base, the first update cycle is 500
 * ms later." */
Test(rtc, divider_reset, .init = set_up)
{
    wait_for(12345678);
    set(0x0a, 0x66);
    wait_for(5 * CLOCK_HZ);
    cr_assert_eq(get(0), 0);
    set(0x0a, 0x26);
    wait_for(CLOCK_HZ / 2 - 1);
    cr_assert_eq(get(0), 0);
    wait_for(1);
    cr_assert_eq(get(0), 1);
    wait_for(CLOCK_HZ);
    cr_assert_eq(get(0), 2);
}

Test(rtc, update_ended_interrupt, .init = set_up)
{
    set(0x0b, 0x12);
    wait_until(CLOCK_HZ - 1);
    cr_assert_not(board.intr);
    wait_until(CLOCK_HZ);
    cr_assert(board.intr);
    cr_assert_eq(board_acknowledge(&board), 0x28);
    wait_for(3 * CLOCK_HZ);
    cr_assert_not(board.intr, "the line stays up until register C is read: no new edge");
    cr_assert(line());
    cr_assert_eq(get(0x0c) & 0xb0, 0x90);
    cr_assert_not(line());
    cr_assert_eq(get(0x0c), 0, "reading cleared it");
    wait_for(CLOCK_HZ);
    cr_assert(board.intr);
}

Test(rtc, flags_are_set_without_their_interrupts, .init = set_up)
{
    wait_for(CLOCK_HZ);
    cr_assert_eq(get(0x0c), 0x50 | 0x00, "PF and UF, no IRQF");
    cr_assert_eq(board.clock.timers[board.rtc.timer].deadline, CLOCK_NEVER);
    wait_for(CLOCK_HZ);
    set(0x0b, 0x12); /* an enable finds the flag set: interrupt at once */
    cr_assert(line());
}

/* Rate 6: 1024 Hz; rate 15: 2 Hz; rates 1 and 2: 256 and 128 Hz. */
Test(rtc, periodic_rates, .init = set_up)
{
    static const struct {
        uint8_t rate;
        unsigned hertz;
    } rows[] = {{6, 1024}, {15, 2}, {1, 256}, {2, 128}, {3, 8192}, {13, 8}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set(0x0b, 0x02);
        set(0x0a, (uint8_t)(0x20 | rows[i].rate));
        get(0x0c);
        set(0x0b, 0x42);
        unsigned interrupts = 0;
        uint64_t end = board.clock.now + 2 * CLOCK_HZ;
        while (board.clock.next <= end) {
            wait_until(board.clock.next);
            if (!board.intr)
                continue;
            cr_assert_eq(board_acknowledge(&board), 0x28);
            cr_assert_eq(get(0x0c) & 0xc0, 0xc0);
            interrupts++;
        }
        cr_assert_eq(interrupts, 2 * rows[i].hertz, "rate %u: %u", rows[i].rate, interrupts);
        wait_until(end);
    }
}

Test(rtc, rate_0_has_no_periodic_interrupt, .init = set_up)
{
    set(0x0a, 0x20);
    get(0x0c);
    set(0x0b, 0x42);
    wait_for(2 * CLOCK_HZ);
    cr_assert_eq(get(0x0c) & 0x40, 0);
}

Test(rtc, alarm, .init = set_up)
{
    set(1, 0x03);
    set(3, 0x01);
    set(5, 0x00);
    set(0x0b, 0x22);
    wait_until(63 * CLOCK_HZ - 1);
    cr_assert_not(board.intr);
    wait_until(63 * CLOCK_HZ);
    cr_assert(board.intr);
    cr_assert_eq(get(0x0c) & 0xa0, 0xa0);
    wait_for(3600 * CLOCK_HZ);
    cr_assert_eq(get(0x0c) & 0x20, 0, "another hour");
}

/* "Don't care" codes from C0 to FF. */
Test(rtc, alarm_wildcards, .init = set_up)
{
    set(1, 0x30);
    set(3, 0xff);
    set(5, 0xc0);
    set(0x0b, 0x22);
    for (unsigned minute = 0; minute < 3; minute++) {
        wait_until((minute * 60 + 30) * CLOCK_HZ);
        cr_assert_eq(get(0x0c) & 0xa0, 0xa0);
    }
}

Test(rtc, cmos_memory_sizes_and_checksum, .init = set_up)
{
    cr_assert_eq(get(0x15) | get(0x16) << 8, 640);
    cr_assert_eq(get(0x17) | get(0x18) << 8, 63 * 1024);
    cr_assert_eq(get(0x30) | get(0x31) << 8, 63 * 1024);
    cr_assert_eq(get(0x34) | get(0x35) << 8, 48 * 16);
    unsigned sum = 0;
    for (uint8_t i = 0x10; i < 0x2e; i++)
        sum += get(i);
    cr_assert_eq(get(0x2e) << 8 | get(0x2f), sum);
    board_init(&board, 1u << 30, NULL);
    cr_assert_eq(get(0x17) | get(0x18) << 8, 0xffff);
    cr_assert_eq(get(0x34) | get(0x35) << 8, 1008 * 16);
    board_init(&board, 1u << 20, NULL);
    cr_assert_eq(get(0x17) | get(0x18) << 8, 0);
}

Test(rtc, memory_and_index, .init = set_up)
{
    set(0x80 | 0x40, 0x77);
    cr_assert(board.rtc.nmi_masked);
    cr_assert_eq(get(0x40), 0x77);
    cr_assert_not(board.rtc.nmi_masked);
    cr_assert_eq(in(0x70), 0xff, "write-only");
    set(0x0d, 0x00);
    cr_assert_eq(get(0x0d), 0x80, "read-only");
}

Test(rtc, nonsense_in_the_registers_and_long_leaps_do_no_harm, .init = set_up)
{
    set_date(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
    wait_for(CLOCK_HZ * 5);
    get(0);
    set_date(0x26, 0x01, 0x01, 0, 0, 0);
    uint64_t year = CLOCK_HZ * 3600 * 24 * 365;
    set(0x0b, 0x22);
    set(0x0b, 0x02);
    wait_for(year * 3);
    cr_assert_eq(get(9), 0x28);
    cr_assert_eq(get(8), 0x12, "2028 is a leap year");
    cr_assert_eq(get(7), 0x31);
}
