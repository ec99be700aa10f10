/* The debug ports: POST codes, the E9 console, the exit. */
#include "board_fixture.h"

Test(debug, port_80_remembers, .init = power_on)
{
    out(0x80, 0x3c);
    cr_assert_eq(in(0x80), 0x3c);
    cr_assert_eq(board.debug.post, 0x3c);
}

Test(debug, port_e9_is_a_console, .init = power_on)
{
    cr_assert_eq(in(0xe9), 0xe9);
    out(0xe9, 'o');
    out(0xe9, 'k');
    cr_assert_str_eq(console_text, "ok");
}

Test(debug, a_board_without_console_swallows_output)
{
    board_init(&board, 1u << 20, NULL);
    out(0xe9, 'x');
    out(0x3f8, 'x');
    out(0x3fc, 0x0b);
    wait_for(CLOCK_HZ);
    cr_assert_eq(in(0x3fd), 0x60);
}

Test(debug, port_f4_ends_the_run, .init = power_on)
{
    cr_assert_eq(board.request, BOARD_RUN);
    out(0xf4, 0x21);
    cr_assert_eq(board.request, BOARD_EXIT);
    cr_assert_eq(board.exit_code, 0x21);
}

Test(debug, a_wide_write_gives_a_wide_exit_code, .init = power_on)
{
    board_out(&board, 100, 0xf4, 4, 0x12345678);
    cr_assert_eq(board.exit_code, 0x12345678);
    board_out(&board, 101, 0xf5, 1, 0xff);
    cr_assert_eq(board.exit_code, 0x12345678);
    cr_assert_eq(in(0xf4), 0xff);
}
