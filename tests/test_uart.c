/* The 16550 against its data sheet (National Semiconductor PC16550D, section 8). */
#include "board_fixture.h"

enum { RBR = 0x3f8, THR = 0x3f8, IER, IIR, FCR = IIR, LCR, MCR, LSR, MSR, SCR };

static void set_up(void)
{
    power_on();
    initialize_pic(0x11, 0x03);
    out(0x21, 0x01);
    out(LCR, 0x83);
    out(THR, 1); /* 115,200 baud */
    out(IER, 0);
    out(LCR, 0x03);
    out(MCR, 0x0b);
}

static void loopback(void)
{
    set_up();
    out(MCR, 0x18);
}

static bool line(void)
{
    return board.pic.chip[0].lines & 0x10;
}

Test(uart, master_reset, .init = power_on)
{
    cr_assert_eq(in(IER), 0);
    cr_assert_eq(in(IIR), 0x01);
    cr_assert_eq(in(LCR), 0);
    cr_assert_eq(in(MCR), 0);
    cr_assert_eq(in(LSR), 0x60);
    cr_assert_eq(in(MSR), 0xb0, "a terminal is connected: DCD, DSR, CTS, no deltas");
}

Test(uart, transmits_to_the_console, .init = set_up)
{
    out(THR, 'H');
    out(0xe9, 'i');
    out(THR, '\n');
    cr_assert_str_eq(console_text, "Hi\n", "in the order of the accesses");
    cr_assert_eq(in(LSR), 0x60);
}

Test(uart, divisor_latch, .init = set_up)
{
    out(LCR, 0x80);
    out(THR, 0x34);
    out(IER, 0x12);
    cr_assert_eq(in(RBR), 0x34);
    cr_assert_eq(in(IER), 0x12);
    cr_assert_eq(console_length, 0);
    out(LCR, 0x03);
    cr_assert_eq(in(IER), 0);
    cr_assert_eq(in(LCR), 0x03);
    /* 4660 * 16 clocks of 1.8432 MHz a bit, 10 bits */
    cr_assert_eq(uart_character_cycles(&board.uart), 4660ull * 160 * CLOCK_HZ / 1843200);
}

/* Start bit, 5 to 8 data bits, parity, 1, 1.5 or 2 stop bits. */
Test(uart, character_time_follows_the_format, .init = set_up)
{
    static const struct {
        uint8_t lcr;
        unsigned half_bits;
    } rows[] = {{0x03, 20}, {0x00, 14}, {0x04, 15}, {0x07, 22}, {0x0b, 22}, {0x1e, 22}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        out(LCR, rows[i].lcr);
        cr_assert_eq(uart_character_cycles(&board.uart),
                     rows[i].half_bits * 8 * CLOCK_HZ / 1843200);
    }
}

Test(uart, scratch_and_reserved_bits, .init = set_up)
{
    out(SCR, 0xa5);
    cr_assert_eq(in(SCR), 0xa5);
    out(IER, 0xff);
    cr_assert_eq(in(IER), 0x0f);
    out(MCR, 0xff);
    cr_assert_eq(in(MCR), 0x1f);
}

/* "Transmitter Holding Register Empty": reset by reading IIR (if it is the source) or writing THR.
 */
Test(uart, thre_interrupt, .init = set_up)
{
    out(IER, 0x02);
    cr_assert(line(), "enabling it with an empty transmitter interrupts");
    cr_assert_eq(in(IIR), 0x02);
    cr_assert_not(line(), "reading IIR acknowledges");
    cr_assert_eq(in(IIR), 0x01);
    out(THR, 'a');
    cr_assert(line());
    board.pic.chip[0].latched = 0;
    out(THR, 'b');
    cr_assert_eq(board.pic.chip[0].latched, 0x10, "each character makes a new edge");
    cr_assert_eq(in(IIR), 0x02);
    out(IER, 0x02);
    cr_assert_eq(in(IIR), 0x01, "enabling what is enabled does nothing");
    out(IER, 0x00);
    out(IER, 0x02);
    cr_assert_eq(in(IIR), 0x02);
}

Test(uart, the_interrupt_comes_after_the_latency, .init = set_up)
{
    out(IER, 0x02);
    cr_assert_not(board.intr);
    wait_for(CLOCK_LATENCY);
    cr_assert(board.intr);
    cr_assert_eq(board_acknowledge(&board), 0x24);
}

Test(uart, out2_gates_the_interrupt, .init = set_up)
{
    out(MCR, 0x03);
    out(IER, 0x02);
    cr_assert_not(line());
    out(MCR, 0x0b);
    cr_assert(line());
}

Test(uart, loopback_of_characters, .init = loopback)
{
    out(THR, 0x5a);
    cr_assert_eq(console_length, 0);
    cr_assert_eq(in(LSR), 0x61);
    cr_assert_eq(in(RBR), 0x5a);
    cr_assert_eq(in(LSR), 0x60);
}

/* MCR bits DTR, RTS, OUT1, OUT2 are connected to DSR, CTS, RI, DCD. */
Test(uart, loopback_of_modem_lines, .init = set_up)
{
    out(MCR, 0x10);
    cr_assert_eq(in(MSR), 0x0b, "DCD, DSR and CTS fell");
    cr_assert_eq(in(MSR), 0x00);
    out(MCR, 0x11);
    cr_assert_eq(in(MSR), 0x22);
    out(MCR, 0x12);
    cr_assert_eq(in(MSR), 0x13);
    out(MCR, 0x14);
    cr_assert_eq(in(MSR), 0x41, "ringing begins: no delta for RI, CTS fell");
    out(MCR, 0x18);
    cr_assert_eq(in(MSR), 0x8c, "ringing ended (TERI), DCD rose");
    out(MCR, 0x0b);
    cr_assert_eq(in(MSR)&0xf0, 0xb0);
}

Test(uart, modem_status_interrupt, .init = loopback)
{
    in(MSR);
    out(IER, 0x08);
    cr_assert_eq(in(IIR), 0x01);
    out(MCR, 0x1a);
    cr_assert_eq(in(IIR), 0x00);
    cr_assert(line());
    in(MSR);
    cr_assert_eq(in(IIR), 0x01);
    cr_assert_not(line());
}

Test(uart, overrun_without_fifo_keeps_the_newest, .init = loopback)
{
    out(THR, 'a');
    out(THR, 'b');
    cr_assert_eq(in(LSR), 0x63);
    cr_assert_eq(in(LSR), 0x61, "reading LSR clears the error");
    cr_assert_eq(in(RBR), 'b');
    cr_assert_eq(in(LSR), 0x60);
}

Test(uart, overrun_with_fifo_keeps_the_oldest, .init = loopback)
{
    out(FCR, 0x01);
    for (int i = 0; i < 17; i++)
        out(THR, (uint8_t)('a' + i));
    cr_assert_eq(in(LSR), 0x63);
    for (int i = 0; i < 16; i++)
        cr_assert_eq(in(RBR), 'a' + i);
    cr_assert_eq(in(LSR), 0x60);
}

Test(uart, fifo_enable_shows_in_iir_and_changing_it_clears, .init = loopback)
{
    out(FCR, 0x01);
    cr_assert_eq(in(IIR), 0xc1);
    out(THR, 'x');
    out(FCR, 0x00);
    cr_assert_eq(in(IIR), 0x01);
    cr_assert_eq(in(LSR), 0x60);
    out(FCR, 0x01);
    out(THR, 'x');
    out(FCR, 0x03);
    cr_assert_eq(in(LSR), 0x60, "bit 1 clears the receiver FIFO");
}

Test(uart, trigger_levels, .init = loopback)
{
    static const struct {
        uint8_t fcr, level;
    } rows[] = {{0x01, 1}, {0x41, 4}, {0x81, 8}, {0xc1, 14}};
    out(IER, 0x01);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        out(FCR, rows[i].fcr | 2);
        for (unsigned n = 1; n < rows[i].level; n++) {
            out(THR, 'x');
            cr_assert_eq(in(IIR), 0xc1);
        }
        out(THR, 'x');
        cr_assert_eq(in(IIR), 0xc4);
        in(RBR);
        cr_assert_eq(in(IIR), 0xc1, "below the trigger level again");
    }
}

/* "FIFO timeout interrupt": at least one character, none received or read for 4 character times. */
Test(uart, character_timeout, .init = loopback)
{
    out(IER, 0x01);
    out(FCR, 0xc1);
    out(THR, 'x');
    out(THR, 'y');
    uint64_t four = 4 * uart_character_cycles(&board.uart);
    wait_for(four - 1);
    cr_assert_eq(in(IIR), 0xc1);
    wait_for(1);
    cr_assert_eq(in(IIR), 0xcc);
    cr_assert(line());
    in(RBR);
    cr_assert_eq(in(IIR), 0xc1, "a read clears it and starts it again");
    wait_for(four);
    cr_assert_eq(in(IIR), 0xcc);
    in(RBR);
    wait_for(2 * four);
    cr_assert_eq(in(IIR), 0xc1, "nothing waits");
}

/* Line status, then received data, then transmitter empty, then modem status. */
Test(uart, priorities, .init = loopback)
{
    out(IER, 0x0f);
    out(MCR, 0x1a);
    out(THR, 'a');
    out(THR, 'b');
    cr_assert_eq(in(IIR), 0x06);
    in(LSR);
    cr_assert_eq(in(IIR), 0x04);
    in(RBR);
    cr_assert_eq(in(IIR), 0x02);
    cr_assert_eq(in(IIR), 0x00);
    in(MSR);
    cr_assert_eq(in(IIR), 0x01);
    cr_assert_not(line());
}

Test(uart, input_arrives_a_character_time_apart, .init = set_up)
{
    out(FCR, 0x01);
    wait_for(CLOCK_HZ);
    console_input = "abc";
    wait_for(CLOCK_HZ / 100);
    uint64_t time = uart_character_cycles(&board.uart);
    wait_for(2 * time);
    cr_assert_eq(in(RBR), 'a');
    wait_for(2 * time);
    cr_assert_eq(in(RBR), 'b');
    cr_assert_eq(in(RBR), 'c');
    cr_assert_eq(in(LSR), 0x60);
}

Test(uart, received_data_interrupts_at_once, .init = set_up)
{
    console_input = "k";
    out(IER, 0x01);
    wait_for(uart_character_cycles(&board.uart) + CLOCK_LATENCY);
    cr_assert(board.intr);
    cr_assert_eq(board_acknowledge(&board), 0x24);
    cr_assert_eq(in(IIR), 0x04);
    cr_assert_eq(in(RBR), 'k');
    cr_assert_not(line());
}

Test(uart, input_waits_until_the_guest_is_ready, .init = power_on)
{
    console_input = "hello";
    wait_for(CLOCK_HZ);
    cr_assert_eq(*console_input, 'h', "neither RTS nor the interrupt is on");
    out(MCR, 0x02);
    wait_for(CLOCK_HZ);
    cr_assert_eq(in(RBR), 'h');
    wait_for(CLOCK_HZ);
    cr_assert_eq(in(RBR), 'e', "no overrun: the rest waits on the host");
    cr_assert_eq(in(LSR)&0x02, 0);
}

Test(uart, an_idle_console_is_asked_seldom, .init = set_up)
{
    wait_for(CLOCK_HZ);
    cr_assert(board.clock.next - board.clock.now <= CLOCK_HZ / 100);
    unsigned polls = 0;
    for (uint64_t end = board.clock.now + CLOCK_HZ; board.clock.next <= end; polls++)
        wait_until(board.clock.next);
    cr_assert(polls <= 1000);
}
