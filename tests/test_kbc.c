/* The 8042 and its keyboard against the IBM PC/AT technical reference (sections "Keyboard
 * Controller" and "Keyboard"). */
#include "board_fixture.h"

static void set_up(void)
{
    power_on();
    initialize_pic(0x11, 0x03);
    out(0x21, 0x01);
}

static bool full(void)
{
    return in(0x64) & 1;
}

static void expect(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_assert(full(), "byte %zu is missing", i);
        uint8_t byte = in(0x60);
        cr_assert_eq(byte, (uint8_t)bytes[i], "byte %zu is %02x", i, byte);
    }
    cr_assert_not(full());
}
#define EXPECT(bytes) expect(bytes, sizeof(bytes) - 1)

static uint8_t command(uint8_t value)
{
    out(0x64, value);
    cr_assert(full());
    return in(0x60);
}

Test(kbc, self_tests, .init = set_up)
{
    cr_assert_eq(command(0xaa), 0x55);
    cr_assert_eq(command(0xab), 0x00);
    cr_assert_eq(in(0x64) & 0x04, 0x04, "system flag");
}

Test(kbc, command_byte_and_memory, .init = set_up)
{
    out(0x64, 0x60);
    cr_assert_eq(in(0x64) & 0x08, 0x08, "the last write was a command");
    out(0x60, 0x25);
    cr_assert_eq(in(0x64) & 0x08, 0x00);
    cr_assert_eq(command(0x20), 0x25);
    out(0x64, 0x7f);
    out(0x60, 0x99);
    cr_assert_eq(command(0x3f), 0x99);
    out(0x64, 0xad);
    cr_assert_eq(command(0x20), 0x35);
    out(0x64, 0xae);
    cr_assert_eq(command(0x20), 0x25);
    out(0x64, 0xa8);
    cr_assert_eq(command(0x20), 0x05);
    out(0x64, 0xa7);
    cr_assert_eq(command(0x20), 0x25);
}

Test(kbc, keyboard_reset_and_identify, .init = set_up)
{
    out(0x60, 0xff);
    EXPECT("\xfa\xaa");
    out(0x60, 0xf2);
    EXPECT("\xfa\xab\x83");
    out(0x60, 0xee);
    EXPECT("\xee");
}

Test(kbc, keyboard_commands_with_arguments, .init = set_up)
{
    out(0x60, 0xed);
    EXPECT("\xfa");
    out(0x60, 0x05);
    EXPECT("\xfa");
    cr_assert_eq(board.kbc.leds, 5);
    out(0x60, 0xf3);
    EXPECT("\xfa");
    out(0x60, 0x20);
    EXPECT("\xfa");
    out(0x60, 0xf0);
    EXPECT("\xfa");
    out(0x60, 0x00);
    EXPECT("\xfa\x02");
    out(0x60, 0xf0);
    EXPECT("\xfa");
    out(0x60, 0x07);
    EXPECT("\xfe");
    out(0x60, 0xed); /* a command instead of the argument is taken as a command */
    EXPECT("\xfa");
    out(0x60, 0xf4);
    EXPECT("\xfa");
    out(0x60, 0x10);
    EXPECT("\xfe");
    out(0x60, 0xee);
    EXPECT("\xee");
    out(0x60, 0xfe);
    EXPECT("\xee");
}

Test(kbc, keys_in_scan_code_set_1, .init = set_up)
{
    cr_assert(kbc_key(&board.kbc, 0x1e, true));
    cr_assert(board.intr);
    cr_assert_eq(board_acknowledge(&board), 0x21);
    EXPECT("\x1e");
    kbc_key(&board.kbc, 0x1e, false);
    kbc_key(&board.kbc, 0xe048, true);
    kbc_key(&board.kbc, 0xe048, false);
    EXPECT("\x9e\xe0\x48\xe0\xc8");
}

Test(kbc, keys_in_scan_code_set_2_without_translation, .init = set_up)
{
    out(0x64, 0x60);
    out(0x60, 0x05);
    kbc_key(&board.kbc, 0x1e, true);
    kbc_key(&board.kbc, 0x1e, false);
    kbc_key(&board.kbc, 0xe04b, false);
    EXPECT("\x1c\xf0\x1c\xe0\xf0\x6b");
    out(0x60, 0xf0);
    out(0x60, 0x01);
    EXPECT("\xfa\xfa");
    kbc_key(&board.kbc, 0x1e, false);
    EXPECT("\x9e");
}

Test(kbc, a_recorded_stream, .init = set_up)
{
    static const uint8_t stream[] = {0x2a, 0xe0, 0x50, 0xe0, 0xd0, 0xaa};
    for (size_t i = 0; i < sizeof stream; i++)
        kbc_scancode(&board.kbc, stream[i]);
    expect((const char *)stream, sizeof stream);
}

Test(kbc, each_byte_is_an_edge, .init = set_up)
{
    kbc_key(&board.kbc, 0x10, true);
    kbc_key(&board.kbc, 0x11, true);
    board_acknowledge(&board);
    cr_assert_not(board.intr);
    cr_assert_eq(in(0x60), 0x10);
    wait_for(CLOCK_LATENCY);
    cr_assert(board.intr, "the second byte moved up when the first was read");
    board_acknowledge(&board);
    cr_assert_eq(in(0x60), 0x11);
    wait_for(CLOCK_LATENCY);
    cr_assert_not(board.intr);
    cr_assert_eq(in(0x60), 0x11, "an empty buffer keeps its last byte");
}

Test(kbc, no_interrupt_unless_enabled, .init = set_up)
{
    out(0x64, 0x60);
    out(0x60, 0x44);
    kbc_key(&board.kbc, 0x10, true);
    cr_assert_not(board.intr);
    EXPECT("\x10");
}

Test(kbc, a_disabled_interface_holds_keys_back, .init = set_up)
{
    out(0x64, 0xad);
    kbc_key(&board.kbc, 0x10, true);
    cr_assert_not(full());
    cr_assert_eq(command(0xaa), 0x55, "the controller's answers still come");
    out(0x64, 0xae);
    EXPECT("\x10");
}

Test(kbc, a_disabled_keyboard_loses_keys, .init = set_up)
{
    out(0x60, 0xf5);
    EXPECT("\xfa");
    cr_assert_not(kbc_key(&board.kbc, 0x10, true));
    cr_assert_not(full());
    out(0x60, 0xf4);
    EXPECT("\xfa");
    cr_assert(kbc_key(&board.kbc, 0x10, true));
    EXPECT("\x10");
}

Test(kbc, a_full_buffer_refuses_keys_whole, .init = set_up)
{
    unsigned taken = 0;
    while (kbc_key(&board.kbc, 0xe048, true))
        taken++;
    cr_assert_eq(taken, 8, "16 bytes of buffer and the one in the output buffer");
    for (unsigned i = 0; i < taken; i++) {
        cr_assert_eq(in(0x60), 0xe0);
        cr_assert_eq(in(0x60), 0x48);
    }
    cr_assert_not(full());
}

Test(kbc, a20_through_three_doors, .init = set_up)
{
    cr_assert(board.kbc.a20);
    cr_assert_eq(command(0xd0) & 0x03, 0x03);
    out(0x64, 0xd1);
    out(0x60, 0xdd);
    cr_assert_not(board.kbc.a20);
    cr_assert_eq(command(0xd0) & 0x02, 0x00);
    cr_assert_eq(in(0x92) & 0x02, 0x00);
    out(0x92, 0x02);
    cr_assert(board.kbc.a20);
    out(0x64, 0xdd);
    cr_assert_not(board.kbc.a20);
    out(0x64, 0xdf);
    cr_assert(board.kbc.a20);
    cr_assert_eq(board.request, BOARD_RUN);
}

Test(kbc, three_resets, .init = set_up)
{
    out(0x64, 0xff); /* pulses nothing */
    cr_assert_eq(board.request, BOARD_RUN);
    out(0x64, 0xfe);
    cr_assert_eq(board.request, BOARD_RESET);
    power_on();
    out(0x64, 0xd1);
    out(0x60, 0x02);
    cr_assert_eq(board.request, BOARD_RESET);
    power_on();
    out(0x92, 0x03);
    cr_assert_eq(board.request, BOARD_RESET);
}

Test(kbc, there_is_no_auxiliary_device, .init = set_up)
{
    cr_assert_eq(command(0xa9), 0x01, "clock line stuck low");
    out(0x64, 0xd3);
    out(0x60, 0x5a);
    cr_assert_eq(in(0x64) & 0x21, 0x01, "looped back without the auxiliary flag");
    cr_assert_eq(in(0x60), 0x5a);
    out(0x64, 0xd4);
    out(0x60, 0xf2);
    cr_assert_not(full());
    out(0x64, 0xd2);
    out(0x60, 0x3c);
    EXPECT("\x3c");
}
