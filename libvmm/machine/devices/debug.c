/* The debug ports: POST codes at 80, a console at E9, the exit at F4 (hexadecimal). */
#include "debug.h"

#include <string.h>

#include "../board.h"

static uint8_t post_in(void *device, uint16_t port)
{
    (void)port;
    const struct debug_ports *debug = device;
    return debug->post;
}

static void post_out(void *device, uint16_t port, uint8_t value)
{
    (void)port;
    struct debug_ports *debug = device;
    debug->post = value;
}

static uint8_t console_in(void *device, uint16_t port)
{
    (void)device;
    return (uint8_t)port; /* E9: how a program finds out that the port is there */
}

static void console_out(void *device, uint16_t port, uint8_t value)
{
    (void)port;
    struct debug_ports *debug = device;
    const struct board_console *console = &debug->board->console;
    if (console->output)
        console->output(console->context, &value, 1);
}

static uint8_t exit_in(void *device, uint16_t port)
{
    (void)device;
    (void)port;
    return 0xff;
}

static void exit_out(void *device, uint16_t port, uint8_t value)
{
    struct debug_ports *debug = device;
    struct board *board = debug->board;
    if (port == 0xf4) {
        board->request = BOARD_EXIT;
        board->exit_code = value;
        debug->exit_time = board->clock.now;
    } else if (board->request == BOARD_EXIT && debug->exit_time == board->clock.now) {
        board->exit_code |= (uint32_t)value << (8 * (port & 3));
    }
}

static const struct bus_device post_port = {.name = "post", .in = post_in, .out = post_out};
static const struct bus_device console_port = {
    .name = "console", .in = console_in, .out = console_out};
static const struct bus_device exit_port = {.name = "exit", .in = exit_in, .out = exit_out};

void debug_init(struct debug_ports *debug, struct board *board)
{
    memset(debug, 0, sizeof *debug);
    debug_wire(debug, board);
}

void debug_wire(struct debug_ports *debug, struct board *board)
{
    debug->board = board;
    bus_claim(&board->bus, 0x80, 0x80, &post_port, debug);
    bus_claim(&board->bus, 0xe9, 0xe9, &console_port, debug);
    bus_claim(&board->bus, 0xf4, 0xf7, &exit_port, debug);
}
