/* The board: who is wired to what, and the rule by which an interrupt reaches the processor.
 *
 * When the interrupt controller's output rises because of a timer, the processor sees it at that
 * very cycle. When it rises inside a port access, the instruction is in the middle of a translated
 * block, which cannot be left there; so the pin follows CLOCK_LATENCY cycles later, by a timer. A
 * fall is seen at once either way, for no interrupt may be taken that nobody requests. */
#include "board.h"

#include <string.h>

static void fire_pin(void *device, uint64_t now)
{
    (void)now;
    struct board *board = device;
    board->intr = board->pic.output;
}

void board_interrupt_output(struct board *board, bool level)
{
    if (level && board->clock.in_access) {
        clock_arm(&board->clock, board->pin_timer, board->clock.now + CLOCK_LATENCY);
        return;
    }
    board->intr = level;
    clock_arm(&board->clock, board->pin_timer, CLOCK_NEVER);
}

static void wire_pin(struct board *board)
{
    bus_init(&board->bus);
    clock_init(&board->clock);
    board->pin_timer = clock_add(&board->clock, "intr", fire_pin, board);
}

void board_init(struct board *board, uint32_t memory_size, const struct board_console *console)
{
    memset(board, 0, sizeof *board);
    if (console)
        board->console = *console;
    wire_pin(board);
    pic_init(&board->pic, board);
    pit_init(&board->pit, board);
    uart_init(&board->uart, board);
    rtc_init(&board->rtc, board, memory_size);
    kbc_init(&board->kbc, board);
    debug_init(&board->debug, board);
    disk_init(&board->disk, board);
}

void board_rewire(struct board *board)
{
    struct clock was = board->clock;
    wire_pin(board);
    pic_wire(&board->pic, board);
    pit_wire(&board->pit, board);
    uart_wire(&board->uart, board);
    rtc_wire(&board->rtc, board);
    kbc_wire(&board->kbc, board);
    debug_wire(&board->debug, board);
    disk_wire(&board->disk, board);
    board->clock.now = was.now;
    board->clock.next = was.next;
    for (size_t i = 0; i < was.count; i++)
        board->clock.timers[i].deadline = was.timers[i].deadline;
}

static void begin_access(struct board *board, uint64_t now, uint16_t port, unsigned size)
{
    board->clock.now = now;
    board->clock.in_access = true;
    if (board->guard.access)
        board->guard.access(board->guard.context, port, size);
}

uint32_t board_in(struct board *board, uint64_t now, uint16_t port, unsigned size)
{
    begin_access(board, now, port, size);
    board->accesses_in++;
    uint32_t value = bus_in(&board->bus, port, size);
    board->clock.in_access = false;
    if (board->watcher.access)
        board->watcher.access(board->watcher.context, port, size, true, value);
    return value;
}

void board_out(struct board *board, uint64_t now, uint16_t port, unsigned size, uint32_t value)
{
    begin_access(board, now, port, size);
    board->accesses_out++;
    bus_out(&board->bus, port, size, value);
    board->clock.in_access = false;
    if (board->watcher.access)
        board->watcher.access(board->watcher.context, port, size, false, value);
}

void board_advance(struct board *board, uint64_t now)
{
    clock_advance(&board->clock, now);
}

uint8_t board_acknowledge(struct board *board)
{
    return pic_acknowledge(&board->pic);
}

void board_firmware_setup(struct board *board)
{
    static const struct {
        uint8_t port, value;
    } writes[] = {
        {0x20, 0x11}, {0x21, 0x08}, {0x21, 0x04}, {0x21, 0x01}, /* master: vectors 08-0F */
        {0xa0, 0x11}, {0xa1, 0x70}, {0xa1, 0x02}, {0xa1, 0x01}, /* slave: vectors 70-77 */
        {0x21, 0xb8}, {0xa1, 0xff}, /* timer, keyboard, cascade, diskette */
    };
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++)
        bus_out(&board->bus, writes[i].port, 1, writes[i].value);
}
