/* A board for the device tests, with a console that is a buffer, and port accesses at a time that
 * the test advances as the machine would: timers first, then the access. */
#ifndef TESTS_BOARD_FIXTURE_H
#define TESTS_BOARD_FIXTURE_H

#include <criterion/criterion.h>
#include <string.h>

#include "machine/board.h"

static struct board board;
static char console_text[256];
static size_t console_length;
static const char *console_input = "";

static inline void take_output(void *context, const uint8_t *bytes, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count && console_length < sizeof console_text - 1; i++)
        console_text[console_length++] = (char)bytes[i];
}

static inline size_t give_input(void *context, uint8_t *bytes, size_t room)
{
    (void)context;
    size_t count = strnlen(console_input, room);
    memcpy(bytes, console_input, count);
    console_input += count;
    return count;
}

static inline void power_on(void)
{
    struct board_console console = {.output = take_output, .input = give_input};
    memset(console_text, 0, sizeof console_text);
    console_length = 0;
    console_input = "";
    board_init(&board, 64u << 20, &console);
}

static inline void wait_until(uint64_t now)
{
    while (board.clock.next <= now)
        board_advance(&board, board.clock.next);
    board_advance(&board, now);
}

static inline void wait_for(uint64_t cycles)
{
    wait_until(board.clock.now + cycles);
}

static inline uint8_t in(uint16_t port)
{
    return (uint8_t)board_in(&board, board.clock.now, port, 1);
}

static inline void out(uint16_t port, uint8_t value)
{
    board_out(&board, board.clock.now, port, 1, value);
}

/* The initialization of a PC: master at vectors 20-27, slave at 28-2F, everything unmasked. */
static inline void initialize_pic(uint8_t icw1, uint8_t icw4)
{
    out(0x20, icw1);
    out(0x21, 0x20);
    out(0x21, 0x04);
    out(0x21, icw4);
    out(0xa0, icw1);
    out(0xa1, 0x28);
    out(0xa1, 0x02);
    out(0xa1, icw4);
}

#endif
