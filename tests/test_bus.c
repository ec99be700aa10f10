/* The port bus and the board that is wired to it (machine/bus.h, machine/board.h). */
#include "board_fixture.h"

static uint8_t last_port, last_value;

static uint8_t echo_in(void *device, uint16_t port)
{
    return (uint8_t)(port + *(uint8_t *)device);
}

static void echo_out(void *device, uint16_t port, uint8_t value)
{
    (void)device;
    last_port = (uint8_t)port;
    last_value = value;
}

static const struct bus_device echo = {.name = "echo", .in = echo_in, .out = echo_out};
static struct bus bus;
static uint8_t offset = 1;

static void set_up(void)
{
    bus_init(&bus);
    bus_claim(&bus, 0x10, 0x13, &echo, &offset);
}

Test(bus, a_port_of_nobody_reads_ones, .init = set_up)
{
    cr_assert_eq(bus_in(&bus, 0x9999, 1), 0xff);
    cr_assert_eq(bus_in(&bus, 0x9999, 4), 0xffffffff);
    cr_assert_null(bus_name(&bus, 0x9999));
    bus_out(&bus, 0x9999, 4, 0x12345678);
}

Test(bus, wide_accesses_are_bytes_from_the_lowest_port, .init = set_up)
{
    cr_assert_eq(bus_in(&bus, 0x10, 4), 0x14131211);
    cr_assert_eq(bus_in(&bus, 0x13, 2), 0xff14);
    bus_out(&bus, 0x12, 2, 0xabcd);
    cr_assert_eq(last_port, 0x13);
    cr_assert_eq(last_value, 0xab);
    cr_assert_str_eq(bus_name(&bus, 0x13), "echo");
    cr_assert_null(bus_name(&bus, 0x14));
}

Test(bus, sixteen_address_lines_wrap, .init = set_up)
{
    bus_claim(&bus, 0, 0, &echo, &offset);
    cr_assert_eq(bus_in(&bus, 0xffff, 2), 0x01ff);
}

Test(bus, the_board_claims_the_ports_of_a_pc, .init = power_on)
{
    static const struct {
        uint16_t port;
        const char *name;
    } expected[] = {{0x20, "pic"},    {0xa1, "pic"},     {0x40, "pit"},  {0x61, "speaker"},
                    {0x60, "kbc"},    {0x64, "kbc"},     {0x71, "rtc"},  {0x80, "post"},
                    {0x92, "port92"}, {0xe9, "console"}, {0xf4, "exit"}, {0x3f8, "uart"},
                    {0x4d0, "elcr"},  {0x560, "disk"}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        cr_assert_str_eq(bus_name(&board.bus, expected[i].port), expected[i].name);
    cr_assert_null(bus_name(&board.bus, 0x2f8));
    cr_assert_eq(in(0x2fd), 0xff, "COM2 is absent");
}

Test(bus, the_board_counts_accesses_and_keeps_their_time, .init = power_on)
{
    board_in(&board, 12345, 0x80, 1);
    cr_assert_eq(board.clock.now, 12345);
    cr_assert_eq(board.accesses_in, 1);
    board_out(&board, 12346, 0x80, 4, 0);
    cr_assert_eq(board.accesses_out, 1);
    cr_assert_not(board.clock.in_access);
}

Test(bus, a_copied_board_lives_on_its_own, .init = power_on)
{
    static struct board copy;
    initialize_pic(0x11, 0x01);
    out(0x43, 0x34);
    out(0x40, 0xa9);
    out(0x40, 0x04); /* 1193: a tick a millisecond */
    wait_for(1000);
    memcpy(&copy, &board, sizeof copy);
    board_rewire(&copy);
    cr_assert_eq(copy.clock.next, board.clock.next);
    board_advance(&copy, copy.clock.next);
    cr_assert(copy.intr);
    cr_assert_not(board.intr);
    cr_assert_eq(board.pic.chip[0].latched, 0);
    cr_assert_eq(board_acknowledge(&copy), 0x20);
    board_out(&copy, copy.clock.now, 0x80, 1, 0x55);
    cr_assert_eq(in(0x80), 0);
}

Test(bus, a_rise_in_an_access_reaches_the_processor_after_the_latency, .init = power_on)
{
    initialize_pic(0x11, 0x01);
    out(0x21, 0xff);
    pic_set_line(&board.pic, 3, true);
    cr_assert_not(board.intr);
    wait_for(5000);
    out(0x21, 0x00); /* unmasks: the output rises inside the access */
    cr_assert(board.pic.output);
    cr_assert_not(board.intr);
    wait_for(CLOCK_LATENCY - 1);
    cr_assert_not(board.intr);
    wait_for(1);
    cr_assert(board.intr);
    out(0x21, 0xff); /* a fall is seen at once */
    cr_assert_not(board.intr);
}

Test(bus, a_rise_that_falls_before_the_latency_never_shows, .init = power_on)
{
    initialize_pic(0x11, 0x01);
    pic_set_line(&board.pic, 3, true);
    out(0x21, 0xff);
    out(0x21, 0x00);
    wait_for(10);
    out(0x21, 0xff);
    wait_for(2 * CLOCK_LATENCY);
    cr_assert_not(board.intr);
}

Test(bus, a_rise_outside_an_access_is_seen_at_once, .init = power_on)
{
    initialize_pic(0x11, 0x01);
    pic_set_line(&board.pic, 3, true);
    cr_assert(board.intr);
    cr_assert_eq(board_acknowledge(&board), 0x23);
    cr_assert_not(board.intr);
}

Test(bus, firmware_setup_ticks_at_vector_8, .init = power_on)
{
    board_firmware_setup(&board);
    cr_assert_not(board.intr);
    wait_for(CLOCK_HZ / 18);
    cr_assert(board.intr);
    cr_assert_eq(board_acknowledge(&board), 0x08);
    pic_set_line(&board.pic, 12, true);
    cr_assert_not(board.intr, "the slave is masked");
}

Test(bus, the_disk_transfers_its_image, .init = power_on)
{
    static uint8_t image[1300];
    for (unsigned i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)(i * 7);
    cr_assert_eq(in(0x565), 0xff, "no disk");
    disk_insert(&board.disk, image, sizeof image);
    cr_assert_eq(board_in(&board, 0, 0x560, 4), 2880, "a diskette of 1.44 MB, mostly zeros");
    board_out(&board, 0, 0x560, 4, 1);
    for (unsigned i = 0; i < 512; i++)
        cr_assert_eq(in(0x564), image[512 + i]);
    for (unsigned i = 1024; i < 1536; i++)
        cr_assert_eq(in(0x564), i < sizeof image ? image[i] : 0);
    cr_assert_eq(in(0x565), 0);
    board_out(&board, 0, 0x560, 4, 2879);
    for (unsigned i = 0; i < 512; i++)
        cr_assert_eq(in(0x564), 0);
    cr_assert_eq(in(0x565), 0);
    in(0x564);
    cr_assert_eq(in(0x565), 1, "behind the last sector");
    board_out(&board, 0, 0x560, 4, 0xffffffff);
    cr_assert_eq(in(0x565), 1);
    cr_assert_eq(in(0x564), 0);
    cr_assert_eq(in(0x566), 18);
    cr_assert_eq(in(0x567), 2);
}
