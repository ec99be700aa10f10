/* The first serial port: a 16550 at 3F8 (hexadecimal), IRQ 4 (National Semiconductor PC16550D data
 * sheet). What the guest sends is console output at once; console input arrives one character a
 * character time of the programmed line speed. COM2 to COM4 do not exist. */
#ifndef VMM_MACHINE_DEVICES_UART_H
#define VMM_MACHINE_DEVICES_UART_H

#include <stdbool.h>
#include <stdint.h>

#define UART_FIFO 16u

struct board;

struct uart {
    struct board *board;
    unsigned receive_timer, timeout_timer;
    uint8_t ier, fcr, lcr, mcr, lsr, msr, scratch;
    uint16_t divisor;
    uint8_t fifo[UART_FIFO]; /* received characters; only the first place without FIFO mode */
    uint8_t head, count;
    bool thre_pending; /* the transmitter-empty interrupt is pending until IIR or THR is touched */
    bool timeout;      /* characters wait below the trigger level: character time-out */
    bool polling;      /* the receive timer is armed */
};

/* State after master reset. */
void uart_init(struct uart *uart, struct board *board);

/* Claims ports 3F8-3FF and two timers. */
void uart_wire(struct uart *uart, struct board *board);

/* A character from the line arrives now; overruns (LSR bit 1) if there is no room for it. */
void uart_receive(struct uart *uart, uint8_t character);

/* The time of one character at the programmed speed and format, in cycles. */
uint64_t uart_character_cycles(const struct uart *uart);

#endif
