/* The 8259A pair against its data sheet (Intel 231468-003): the section is named in each test. */
#include "board_fixture.h"

static void set_up(void)
{
    power_on();
    initialize_pic(0x11, 0x01);
}

static void raise(unsigned irq)
{
    pic_set_line(&board.pic, irq, true);
}

static void lower(unsigned irq)
{
    pic_set_line(&board.pic, irq, false);
}

static uint8_t isr(uint16_t port)
{
    out(port, 0x0b);
    return in(port);
}

static uint8_t irr(uint16_t port)
{
    out(port, 0x0a);
    return in(port);
}

static bool pending(void)
{
    return board.pic.output;
}

static uint8_t acknowledge(void)
{
    return board_acknowledge(&board);
}

Test(pic, is_silent_before_initialization, .init = power_on)
{
    raise(0);
    raise(3);
    cr_assert_not(pending());
}

/* "ICW1: the edge sense circuit is reset, which means that following initialization, an interrupt
 * request input must make a low-to-high transition", "the Interrupt Mask Register is cleared". */
Test(pic, icw1_resets_the_edge_sense_and_the_mask, .init = set_up)
{
    out(0x21, 0xff);
    raise(5);
    initialize_pic(0x11, 0x01);
    cr_assert_eq(in(0x21), 0);
    cr_assert_not(pending());
    lower(5);
    raise(5);
    cr_assert(pending());
}

Test(pic, the_mask_reads_back_before_initialization, .init = power_on)
{
    out(0x21, 0xfb);
    cr_assert_eq(in(0x21), 0xfb);
}

Test(pic, vectors_come_from_icw2, .init = set_up)
{
    raise(1);
    cr_assert_eq(acknowledge(), 0x21);
    lower(1);
    out(0x20, 0x20);
    raise(9);
    cr_assert_eq(acknowledge(), 0x29);
}

/* Without IC4 the functions of ICW4 are zero, and ICW3 is skipped with SNGL. */
Test(pic, short_initialization_sequences, .init = set_up)
{
    out(0x20, 0x12); /* single, no ICW4 */
    out(0x21, 0x40);
    out(0x21, 0xfe); /* OCW1 already */
    cr_assert_eq(in(0x21), 0xfe);
    lower(0); /* the timer's output is high at power-on */
    raise(0);
    cr_assert_eq(acknowledge(), 0x40);
    out(0x20, 0x13); /* single, ICW4 */
    out(0x21, 0x48);
    out(0x21, 0x02);
    out(0x21, 0x00);
    raise(1);
    cr_assert_eq(acknowledge(), 0x49);
    cr_assert_eq(isr(0x20), 0, "automatic EOI");
}

Test(pic, output_is_low_during_initialization, .init = set_up)
{
    out(0x20, 0x11);
    raise(1);
    cr_assert_not(pending());
    out(0x21, 0x20);
    out(0x21, 0x04);
    out(0x21, 0x01);
    cr_assert(pending());
}

/* "Fully nested mode": IR0 highest; a request in service inhibits equal and lower ones. */
Test(pic, fully_nested_priorities, .init = set_up)
{
    raise(4);
    raise(3);
    cr_assert_eq(irr(0x20), 0x18 | irr(0x20));
    cr_assert_eq(acknowledge(), 0x23);
    cr_assert_not(pending());
    raise(1);
    cr_assert(pending());
    cr_assert_eq(acknowledge(), 0x21);
    cr_assert_eq(isr(0x20), 0x0a);
    out(0x20, 0x20); /* non-specific EOI: the highest in service */
    cr_assert_eq(isr(0x20), 0x08);
    cr_assert_not(pending());
    out(0x20, 0x20);
    cr_assert(pending());
    cr_assert_eq(acknowledge(), 0x24);
}

Test(pic, specific_eoi_clears_the_level_it_names, .init = set_up)
{
    raise(5);
    acknowledge();
    raise(2 + 1);
    acknowledge();
    cr_assert_eq(isr(0x20), 0x28);
    out(0x20, 0x65);
    cr_assert_eq(isr(0x20), 0x08);
    out(0x20, 0x63);
    cr_assert_eq(isr(0x20), 0x00);
}

Test(pic, masked_requests_wait, .init = set_up)
{
    out(0x21, 0x08);
    raise(3);
    cr_assert_not(pending());
    cr_assert_eq(irr(0x20) & 0x08, 0x08);
    out(0x21, 0x00);
    cr_assert(pending());
}

Test(pic, an_edge_is_one_request, .init = set_up)
{
    raise(3);
    cr_assert_eq(acknowledge(), 0x23);
    cr_assert_eq(irr(0x20) & 0x08, 0);
    out(0x20, 0x20);
    cr_assert_not(pending(), "still high, no new edge");
    raise(3);
    cr_assert_not(pending());
    lower(3);
    raise(3);
    cr_assert(pending());
}

/* "Edge and level triggered modes": "the IR inputs must remain high until after the falling edge of
 * the first INTA; if the IR input goes low before this time a DEFAULT IR7 will occur". */
Test(pic, a_request_that_vanishes_is_spurious_7, .init = set_up)
{
    raise(3);
    lower(3);
    cr_assert_not(pending());
    cr_assert_eq(acknowledge(), 0x27);
    cr_assert_eq(isr(0x20), 0, "a spurious interrupt sets no bit in service");
}

Test(pic, a_vanishing_request_of_the_slave, .init = set_up)
{
    raise(10);
    cr_assert(pending());
    out(0xa1, 0xff); /* masked: the slave's output falls, the master's request too */
    cr_assert_not(pending());
    cr_assert_eq(acknowledge(), 0x27);
    cr_assert_eq(isr(0x20), 0);
}

/* The slave as level-triggered input of the master: the master goes on, the slave says 15. */
Test(pic, spurious_15_leaves_the_cascade_in_service, .init = set_up)
{
    out(0xa1, 0x00);
    raise(10);
    board.pic.chip[1].latched = 0; /* the input glitched between the two acknowledge pulses */
    cr_assert_eq(acknowledge(), 0x2f);
    cr_assert_eq(isr(0x20), 0x04);
    cr_assert_eq(isr(0xa0), 0x00);
}

Test(pic, level_mode_requests_while_high, .init = power_on)
{
    initialize_pic(0x19, 0x01);
    lower(0); /* the timer's output is high at power-on */
    raise(3);
    cr_assert_eq(acknowledge(), 0x23);
    out(0x20, 0x20);
    cr_assert(pending(), "still high: interrupts again");
    lower(3);
    cr_assert_not(pending());
}

Test(pic, elcr_makes_single_inputs_level_triggered, .init = set_up)
{
    out(0x4d0, 0xff);
    out(0x4d1, 0xff);
    cr_assert_eq(in(0x4d0), 0xf8, "timer, keyboard and cascade stay edge-triggered");
    cr_assert_eq(in(0x4d1), 0xde, "RTC and coprocessor too");
    raise(11);
    cr_assert_eq(acknowledge(), 0x2b);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    cr_assert(pending());
    lower(11);
    cr_assert_not(pending());
}

Test(pic, a_slave_needs_two_ends_of_interrupt, .init = set_up)
{
    raise(8);
    cr_assert_eq(acknowledge(), 0x28);
    cr_assert_eq(isr(0x20), 0x04);
    cr_assert_eq(isr(0xa0), 0x01);
    raise(14);
    cr_assert_not(pending());
    out(0xa0, 0x20);
    cr_assert_not(pending(), "the master still serves the cascade");
    out(0x20, 0x20);
    cr_assert(pending());
    cr_assert_eq(acknowledge(), 0x2e);
}

Test(pic, slave_ranks_between_1_and_3, .init = set_up)
{
    raise(3);
    raise(15);
    raise(1);
    cr_assert_eq(acknowledge(), 0x21);
    out(0x20, 0x20);
    cr_assert_eq(acknowledge(), 0x2f);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    cr_assert_eq(acknowledge(), 0x23);
}

/* "The special fully nested mode": a higher request of the slave in service gets through. */
Test(pic, special_fully_nested_mode, .init = power_on)
{
    initialize_pic(0x11, 0x01);
    raise(12);
    acknowledge();
    raise(8);
    cr_assert_not(pending(), "plain nesting locks the slave out");
    lower(8);
    lower(12);
    initialize_pic(0x11, 0x11);
    raise(12);
    acknowledge();
    raise(3);
    cr_assert_not(pending(), "lower ones stay locked out");
    raise(8);
    cr_assert(pending());
    cr_assert_eq(acknowledge(), 0x28);
    cr_assert_eq(isr(0xa0), 0x11);
}

/* "Automatic rotation (equal priority devices)": the served one gets the lowest priority. */
Test(pic, rotation_on_non_specific_eoi, .init = set_up)
{
    raise(4);
    acknowledge();
    out(0x20, 0xa0);
    lower(4);
    raise(4);
    raise(6);
    raise(5);
    cr_assert_eq(acknowledge(), 0x25);
    out(0x20, 0xa0);
    cr_assert_eq(acknowledge(), 0x26);
    out(0x20, 0xa0);
    cr_assert_eq(acknowledge(), 0x24);
}

Test(pic, set_priority_and_rotate_on_specific_eoi, .init = set_up)
{
    out(0x20, 0xc0 | 5); /* 5 is the lowest: 6 is the highest */
    raise(0);
    raise(6);
    cr_assert_eq(acknowledge(), 0x26);
    out(0x20, 0xe0 | 6); /* specific EOI, and 6 the lowest */
    cr_assert_eq(isr(0x20), 0);
    raise(7);
    cr_assert_eq(acknowledge(), 0x27, "7 is the highest now");
    cr_assert_eq(isr(0x20), 0x80, "and not spurious");
}

Test(pic, rotation_in_automatic_eoi_mode, .init = power_on)
{
    initialize_pic(0x11, 0x03);
    out(0x20, 0x80);
    raise(3);
    raise(4);
    cr_assert_eq(acknowledge(), 0x23);
    cr_assert_eq(isr(0x20), 0);
    lower(3);
    raise(3);
    cr_assert_eq(acknowledge(), 0x24);
    out(0x20, 0x00); /* clear: no more rotation */
    lower(4);
    raise(4);
    cr_assert_eq(acknowledge(), 0x23, "4 stays the lowest");
}

/* "Special mask mode": a masked level in service lets all the others through. */
Test(pic, special_mask_mode, .init = set_up)
{
    raise(3);
    acknowledge();
    raise(6);
    cr_assert_not(pending());
    out(0x21, 0x08);
    cr_assert_not(pending());
    out(0x20, 0x68);
    cr_assert(pending());
    cr_assert_eq(acknowledge(), 0x26);
    out(0x20, 0x20); /* non-specific: passes over the masked level 3 */
    cr_assert_eq(isr(0x20), 0x08);
    out(0x20, 0x48); /* off again */
    raise(7);
    cr_assert_not(pending());
}

/* "Poll command": the next read is an acknowledge; bit 7 tells whether there was a request. */
Test(pic, poll_command, .init = set_up)
{
    out(0x20, 0x0c);
    cr_assert_eq(in(0x20), 0x00);
    raise(5);
    out(0x20, 0x0c);
    cr_assert_eq(in(0x20), 0x85);
    cr_assert_eq(isr(0x20), 0x20);
    cr_assert_not(pending());
    raise(12);
    out(0xa0, 0x0c);
    cr_assert_eq(in(0xa0), 0x84);
    cr_assert_eq(isr(0xa0), 0x10);
}

Test(pic, read_selection_sticks, .init = set_up)
{
    raise(4);
    acknowledge();
    raise(5);
    out(0x20, 0x0b);
    cr_assert_eq(in(0x20), 0x10);
    cr_assert_eq(in(0x20), 0x10);
    out(0x20, 0x0a);
    cr_assert_eq(in(0x20) & 0x20, 0x20);
    out(0x20, 0x08); /* RR = 0: no change */
    cr_assert_eq(in(0x20) & 0x20, 0x20);
}

Test(pic, automatic_eoi_of_a_slave_makes_a_new_edge, .init = power_on)
{
    initialize_pic(0x11, 0x03);
    raise(9);
    raise(11);
    cr_assert_eq(acknowledge(), 0x29);
    cr_assert(pending());
    cr_assert_eq(acknowledge(), 0x2b);
    cr_assert_not(pending());
}
