/* The 8254 against its data sheet (Intel 231164-005), counted by hand in ticks of its clock. Tests
 * move to the first cycle of a tick; a count that is written in tick T is in the counting element
 * at T + 1 ("on the next CLK pulse"). */
#include "board_fixture.h"

static uint64_t base;

static void at_tick(uint64_t tick)
{
    wait_until(pit_cycles(base + tick));
}

/* Starts a test at the beginning of a tick, which at_tick calls 0. */
static void set_up(void)
{
    power_on();
    initialize_pic(0x11, 0x03);
    base = 1000;
    at_tick(0);
}

static void program(unsigned counter, unsigned mode, uint16_t count)
{
    out(0x43, (uint8_t)(counter << 6 | 0x30 | mode << 1));
    out((uint16_t)(0x40 + counter), (uint8_t)count);
    out((uint16_t)(0x40 + counter), (uint8_t)(count >> 8));
}

static uint16_t read_count(unsigned counter)
{
    out(0x43, (uint8_t)(counter << 6));
    uint8_t low = in((uint16_t)(0x40 + counter));
    return (uint16_t)(low | in((uint16_t)(0x40 + counter)) << 8);
}

static void gate(bool level)
{
    out(0x61, level);
}

static bool output(unsigned counter)
{
    return pit_output(&board.pit, counter);
}

static uint8_t status(unsigned counter)
{
    out(0x43, (uint8_t)(0xe0 | 2u << counter));
    return in((uint16_t)(0x40 + counter));
}

/* What a counter reads and shows in successive ticks from `first` on, one a character. */
static void expect(unsigned counter, unsigned first, const uint16_t *counts, const char *outputs)
{
    for (unsigned i = 0; outputs[i]; i++) {
        at_tick(first + i);
        cr_assert_eq(read_count(counter), counts[i], "tick %u: count %u, not %u", first + i,
                     read_count(counter), counts[i]);
        cr_assert_eq(output(counter), outputs[i] == '1', "tick %u: OUT", first + i);
    }
}

Test(pit, ticks_are_exact)
{
    cr_assert_eq(pit_ticks(0), 0);
    cr_assert_eq(pit_ticks(CLOCK_HZ), 1193182);
    cr_assert_eq(pit_ticks(CLOCK_HZ * 3600 * 24 * 365), 1193182ull * 3600 * 24 * 365);
    for (uint64_t tick = 0; tick < 200000; tick += 7) {
        uint64_t cycle = pit_cycles(tick);
        cr_assert_eq(pit_ticks(cycle), tick);
        cr_assert(tick == 0 || pit_ticks(cycle - 1) == tick - 1);
    }
    uint64_t late = 1ull << 56;
    cr_assert_eq(pit_ticks(pit_cycles(late)), late);
}

/* Mode 0: "OUT is initially low, and will remain low until the counter reaches zero"; with a count
 * of N it goes high N + 1 CLK pulses after the count is written. Counting goes on below zero. */
Test(pit, mode_0_interrupt_on_terminal_count, .init = set_up)
{
    program(1, 0, 4);
    cr_assert_not(output(1));
    expect(1, 1, (uint16_t[]){4, 3, 2, 1, 0, 0xffff, 0xfffe}, "0000111");
}

Test(pit, mode_0_first_byte_stops_second_byte_restarts, .init = set_up)
{
    program(1, 0, 3);
    at_tick(10);
    cr_assert(output(1));
    out(0x41, 5);
    cr_assert_not(output(1), "OUT goes low with the first byte");
    at_tick(12);
    uint16_t stopped = read_count(1);
    at_tick(14);
    cr_assert_eq(read_count(1), stopped);
    out(0x41, 0);
    expect(1, 15, (uint16_t[]){5, 4, 3, 2, 1, 0}, "000001");
}

Test(pit, mode_0_gate_stops_counting, .init = set_up)
{
    gate(true);
    program(2, 0, 4);
    at_tick(2);
    cr_assert_eq(read_count(2), 3);
    gate(false);
    at_tick(9);
    cr_assert_eq(read_count(2), 3);
    cr_assert_not(output(2));
    gate(true);
    expect(2, 10, (uint16_t[]){2, 1, 0, 0xffff}, "0011");
}

/* Mode 1: "OUT will be initially high, will go low on the CLK pulse following a trigger and remain
 * low until the counter reaches zero"; retriggerable. */
Test(pit, mode_1_one_shot, .init = set_up)
{
    program(2, 1, 3);
    at_tick(5);
    cr_assert(output(2), "no trigger, nothing happens");
    gate(true);
    cr_assert(output(2));
    expect(2, 6, (uint16_t[]){3, 2, 1, 0, 0xffff}, "00011");
    gate(false);
    at_tick(20);
    gate(true);
    at_tick(22);
    cr_assert_eq(read_count(2), 2);
    gate(false);
    gate(true); /* retriggered: OUT stays low for a full count */
    expect(2, 23, (uint16_t[]){3, 2, 1, 0}, "0001");
}

Test(pit, mode_1_new_count_waits_for_a_trigger, .init = set_up)
{
    program(2, 1, 4);
    gate(true);
    at_tick(2);
    out(0x42, 2);
    out(0x42, 0);
    cr_assert_eq(status(2) & 0x40, 0x40, "null count: not in the counting element yet");
    expect(2, 3, (uint16_t[]){2, 1, 0}, "001");
    gate(false);
    gate(true);
    expect(2, 6, (uint16_t[]){2, 1, 0}, "001");
}

/* Mode 2: "when the initial count has decremented to 1, OUT goes low for one CLK pulse. OUT then
 * goes high again, the counter reloads the initial count". */
Test(pit, mode_2_rate_generator, .init = set_up)
{
    program(1, 2, 3);
    cr_assert(output(1));
    expect(1, 1, (uint16_t[]){3, 2, 1, 3, 2, 1, 3}, "1101101");
}

Test(pit, mode_2_new_count_takes_effect_at_the_end_of_the_period, .init = set_up)
{
    program(1, 2, 4);
    at_tick(2);
    out(0x41, 2);
    out(0x41, 0);
    expect(1, 2, (uint16_t[]){3, 2, 1, 2, 1, 2}, "110101");
}

Test(pit, mode_2_gate_low_raises_out_and_high_reloads, .init = set_up)
{
    gate(true);
    program(2, 2, 3);
    at_tick(3);
    cr_assert_not(output(2));
    gate(false);
    cr_assert(output(2), "immediately");
    at_tick(8);
    cr_assert(output(2));
    gate(true);
    expect(2, 9, (uint16_t[]){3, 2, 1, 3}, "1101");
}

/* Mode 3, even count: down by two, twice in a period. */
Test(pit, mode_3_even, .init = set_up)
{
    program(1, 3, 4);
    expect(1, 1, (uint16_t[]){4, 2, 4, 2, 4, 2, 4}, "1100110");
}

/* Mode 3, odd count: "OUT will be high for (N + 1)/2 counts and low for (N - 1)/2 counts". */
Test(pit, mode_3_odd, .init = set_up)
{
    program(1, 3, 5);
    expect(1, 1, (uint16_t[]){4, 2, 0, 4, 2, 4, 2, 0, 4, 2}, "1110011100");
}

/* Mode 3: "the new count will be loaded at the end of the current half-cycle". */
Test(pit, mode_3_new_count_at_the_half_period, .init = set_up)
{
    program(1, 3, 6);
    at_tick(2);
    out(0x41, 4);
    out(0x41, 0);
    expect(1, 2, (uint16_t[]){4, 2, 4, 2, 4, 2, 4}, "1100110");
}

Test(pit, mode_3_gate, .init = set_up)
{
    gate(true);
    program(2, 3, 4);
    at_tick(3);
    cr_assert_not(output(2));
    gate(false);
    cr_assert(output(2));
    at_tick(7);
    gate(true);
    expect(2, 8, (uint16_t[]){4, 2, 4}, "110");
}

/* Mode 4: "when the initial count expires, OUT will go low for one CLK pulse and then high again".
 */
Test(pit, mode_4_software_triggered_strobe, .init = set_up)
{
    program(1, 4, 3);
    expect(1, 1, (uint16_t[]){3, 2, 1, 0, 0xffff, 0xfffe}, "111011");
    out(0x41, 2);
    out(0x41, 0);
    expect(1, 7, (uint16_t[]){2, 1, 0, 0xffff}, "1101");
}

/* Mode 5: the same, triggered by the gate. */
Test(pit, mode_5_hardware_triggered_strobe, .init = set_up)
{
    program(2, 5, 2);
    at_tick(6);
    cr_assert(output(2));
    gate(true);
    expect(2, 7, (uint16_t[]){2, 1, 0, 0xffff}, "1101");
    gate(false);
    gate(true);
    expect(2, 11, (uint16_t[]){2, 1, 0, 0xffff}, "1101");
}

Test(pit, modes_6_and_7_are_2_and_3, .init = set_up)
{
    program(1, 6, 3);
    expect(1, 1, (uint16_t[]){3, 2, 1, 3}, "1101");
    cr_assert_eq(status(1) & 0x0e, 6 << 1, "status has the bits as programmed");
    program(1, 7, 4);
    expect(1, 5, (uint16_t[]){4, 2, 4, 2}, "1100");
}

Test(pit, bcd_counts_in_decades, .init = set_up)
{
    out(0x43, 0x71); /* counter 1, both bytes, mode 0, BCD */
    out(0x41, 0x01);
    out(0x41, 0x10); /* 1001 */
    expect(1, 1, (uint16_t[]){0x1001, 0x1000, 0x0999, 0x0998}, "0000");
    out(0x43, 0x71);
    out(0x41, 0);
    out(0x41, 0); /* 0 is 10000 */
    expect(1, 5, (uint16_t[]){0x0000, 0x9999}, "00");
}

Test(pit, zero_is_65536, .init = set_up)
{
    program(1, 2, 0);
    expect(1, 1, (uint16_t[]){0, 0xffff}, "11");
    at_tick(1 + 65535);
    cr_assert_not(output(1));
    at_tick(1 + 65536);
    cr_assert(output(1));
}

Test(pit, one_byte_access_modes, .init = set_up)
{
    out(0x43, 0x50); /* counter 1, low byte, mode 0 */
    out(0x41, 9);
    at_tick(1);
    cr_assert_eq(in(0x41), 9);
    out(0x43, 0x60); /* high byte */
    out(0x41, 2);
    at_tick(3);
    cr_assert_eq(in(0x41), 0x01, "0x01ff after two ticks: only the high byte");
}

/* "If a counter is latched and then, some time later, latched again before the count is read, the
 * second counter latch command is ignored." */
Test(pit, a_latch_holds_until_it_is_read, .init = set_up)
{
    program(1, 2, 0x1234);
    at_tick(1);
    out(0x43, 0x40);
    at_tick(5);
    out(0x43, 0x40);
    cr_assert_eq(in(0x41), 0x34);
    at_tick(9);
    cr_assert_eq(in(0x41), 0x12);
    uint8_t low = in(0x41), high = in(0x41);
    cr_assert_eq(high << 8 | low, 0x1234 - 8, "live again");
}

/* "If both count and status are latched, the first read operation will return the latched status".
 */
Test(pit, read_back_latches_status_and_counts, .init = set_up)
{
    program(1, 2, 0x2000);
    gate(true);
    program(2, 0, 0x3000);
    at_tick(1);
    out(0x43, 0xc0 | 0x0c); /* status and count of counters 1 and 2 */
    at_tick(7);
    cr_assert_eq(in(0x41), 0x80 | 0x30 | 0x04);
    cr_assert_eq(in(0x41), 0x00);
    cr_assert_eq(in(0x41), 0x20);
    cr_assert_eq(in(0x42), 0x30);
    cr_assert_eq(in(0x42), 0x00);
    cr_assert_eq(in(0x42), 0x30);
}

Test(pit, null_count_until_the_next_tick, .init = set_up)
{
    out(0x43, 0x70);
    cr_assert_eq(status(1), 0x40 | 0x30);
    out(0x41, 10);
    out(0x41, 0);
    cr_assert_eq(status(1) & 0x40, 0x40);
    at_tick(1);
    cr_assert_eq(status(1) & 0x40, 0);
}

/* Linux' kernel address randomization reads counter 0 until its null count bit is clear, long
 * before it programs it: firmware has always done so. */
Test(pit, runs_at_power_on_as_firmware_leaves_it, .init = power_on)
{
    wait_until(pit_cycles(1001));
    cr_assert_eq(status(0), 0x80 | 0x36);
    cr_assert_eq(read_count(0), 65536 - 2000, "mode 3 counts by twos");
    cr_assert_not(in(0x61) & 1);
    initialize_pic(0x11, 0x03);
    wait_until(pit_cycles(65537) - 1);
    cr_assert_not(board.intr);
    wait_until(pit_cycles(65537));
    cr_assert(board.intr);
}

Test(pit, the_control_port_reads_ones, .init = set_up)
{
    cr_assert_eq(in(0x43), 0xff);
}

/* IRQ 0 at the exact cycle of each rising edge of counter 0's OUT, without drift. */
Test(pit, rate_generator_interrupts_without_drift, .init = set_up)
{
    program(0, 2, 1193);
    for (uint64_t i = 1; i <= 5000; i++) {
        uint64_t due = pit_cycles(base + 1 + i * 1193);
        wait_until(due - 1);
        cr_assert_not(board.intr);
        wait_until(due);
        cr_assert(board.intr);
        cr_assert_eq(board_acknowledge(&board), 0x20);
        cr_assert_not(board.intr);
    }
}

Test(pit, one_shots_interrupt_once, .init = set_up)
{
    program(0, 0, 500);
    wait_until(pit_cycles(base + 501) - 1);
    cr_assert_not(board.intr);
    wait_until(pit_cycles(base + 501));
    cr_assert(board.intr);
    board_acknowledge(&board);
    wait_for(CLOCK_HZ);
    cr_assert_not(board.intr);
    base = pit_ticks(board.clock.now) + 1;
    at_tick(0);
    program(0, 4, 500); /* OUT has been high, so this rises at the end of the strobe only */
    wait_until(pit_cycles(base + 502) - 1);
    cr_assert_not(board.intr);
    wait_until(pit_cycles(base + 502));
    cr_assert(board.intr);
}

Test(pit, a_control_word_of_mode_0_takes_the_request_back, .init = set_up)
{
    out(0x21, 0x01);
    program(0, 2, 100);
    at_tick(500);
    out(0x20, 0x0a);
    cr_assert_eq(in(0x20) & 1, 1);
    out(0x43, 0x30);
    cr_assert_eq(in(0x20) & 1, 0);
}

Test(pit, a_count_too_short_for_the_latency_still_interrupts, .init = set_up)
{
    program(0, 0, 1);
    wait_for(CLOCK_LATENCY);
    cr_assert(board.intr);
}

Test(pit, port_61_gates_counter_2_and_shows_its_output, .init = set_up)
{
    program(2, 0, 3);
    at_tick(10);
    cr_assert_eq(in(0x61) & 0x21, 0x00, "the gate is closed");
    gate(true);
    at_tick(12);
    cr_assert_eq(in(0x61) & 0x21, 0x01);
    at_tick(13);
    cr_assert_eq(in(0x61) & 0x21, 0x21);
    out(0x61, 0xff);
    cr_assert_eq(in(0x61) & 0xcf, 0x0f, "bits 3-0 read back, 7 and 6 are parity errors");
}

Test(pit, the_refresh_bit_toggles_every_15_microseconds, .init = set_up)
{
    unsigned toggles = 0;
    uint8_t last = in(0x61) & 0x10;
    for (unsigned i = 0; i < 10000; i++) {
        wait_for(100);
        uint8_t refresh = in(0x61) & 0x10;
        toggles += refresh != last;
        last = refresh;
    }
    cr_assert(toggles >= 662 && toggles <= 664, "%u", toggles); /* 10 ms / 15.08 us */
}
