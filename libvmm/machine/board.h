/* The board: one PC's devices, wired to a bus, a clock and an interrupt line. A bare machine has
 * one; under a VMM each virtual machine has one of its own, the virtual devices that the allocator
 * grants. All device state is plain data without pointers to the heap, so that a board can be
 * copied. */
#ifndef VMM_MACHINE_BOARD_H
#define VMM_MACHINE_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus.h"
#include "clock.h"
#include "devices/debug.h"
#include "devices/disk.h"
#include "devices/kbc.h"
#include "devices/pic.h"
#include "devices/pit.h"
#include "devices/rtc.h"
#include "devices/uart.h"

/* What the guest asked for through a port. */
enum board_request {
    BOARD_RUN,
    BOARD_EXIT, /* port 0xF4: `exit_code` is the value written */
    BOARD_RESET /* keyboard controller pulse, or port 0x92 */
};

/* Where console bytes go to and come from; the host side of the board. Any member may be NULL. */
struct board_console {
    void *context;
    void (*output)(void *context, const uint8_t *bytes, size_t count); /* COM1 and port 0xE9 */
    /* Puts at most `room` bytes of input into `bytes` and returns how many; never blocks. */
    size_t (*input)(void *context, uint8_t *bytes, size_t room);
};

/* Whoever watches what reaches the devices, an audit: called at each access with its port and its
 * size in bytes, and at each acknowledge with the input (0 to 15) that is put in service. Both may
 * be NULL. */
struct board_guard {
    void *context;
    void (*access)(void *context, uint16_t port, unsigned size);
    void (*line)(void *context, unsigned input);
};

struct board {
    struct clock clock;
    struct bus bus;
    struct board_watcher { /* is told of every access to a port; may be NULL */
        void (*access)(void *context, uint16_t port, unsigned size, bool in, uint32_t value);
        void *context;
    } watcher;
    struct pic pic; /* from here on the state that a snapshot keeps */
    struct pit pit;
    struct uart uart;
    struct rtc rtc;
    struct kbc kbc;
    struct debug_ports debug;
    struct disk disk;
    struct board_console console;
    struct board_guard guard;
    unsigned pin_timer; /* by which a rise of the interrupt pin waits CLOCK_LATENCY */
    bool intr;          /* the processor's INTR pin, as the processor sees it */
    enum board_request request;
    uint32_t exit_code;
    uint64_t accesses_in, accesses_out; /* port accesses since power-on */
};

/* Powers a board on: `memory_size` in bytes (for the CMOS); `console` is copied, NULL for none. The
 * board must not move afterwards. */
void board_init(struct board *board, uint32_t memory_size, const struct board_console *console);

/* After a board has been copied to another place: points the copy's devices, ports and timers at
 * the copy. Times, registers and console stay as they are. */
void board_rewire(struct board *board);

/* How a PC's firmware programs the interrupt controllers before it starts a boot sector: interrupts
 * 0-7 at vectors 08-0F and 8-15 at 70-77; timer, keyboard, cascade and diskette unmasked. */
void board_firmware_setup(struct board *board);

/* One access of the processor at exact time `now` (cycles). These are the only ways in for ports.
 */
uint32_t board_in(struct board *board, uint64_t now, uint16_t port, unsigned size);
void board_out(struct board *board, uint64_t now, uint16_t port, unsigned size, uint32_t value);

/* Fires the timers that are due at `now`. */
void board_advance(struct board *board, uint64_t now);

/* The processor accepts the interrupt: returns the vector that the 8259A puts on the bus. */
uint8_t board_acknowledge(struct board *board);

/* For the interrupt controller: its output has changed to `level`. */
void board_interrupt_output(struct board *board, bool level);

#endif
