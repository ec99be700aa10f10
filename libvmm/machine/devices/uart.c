/* The 16550 serial port (National Semiconductor PC16550D data sheet): registers, FIFOs, and the
 * four interrupt sources in their priorities.
 *
 * The transmitter takes no time: a character written is on the console when OUT ends, and the
 * "transmitter empty" interrupt is raised at once. The receiver honours the guest's readiness, as a
 * line with RTS flow control does: console input waits on the host until the guest has set RTS (or
 * enabled the receive interrupt) and there is room, so input piped into a machine is not lost while
 * a kernel is still probing its hardware. Overruns therefore happen in loopback only. Parity,
 * framing and break are not modelled: the line has no noise. */
#include "uart.h"

#include <string.h>

#include "../board.h"

enum { /* register offsets */
       RBR_THR,
       IER,
       IIR_FCR,
       LCR,
       MCR,
       LSR,
       MSR,
       SCR,
};

enum {
    IER_RDA = 0x01,
    IER_THRE = 0x02,
    IER_RLS = 0x04,
    IER_MSR = 0x08,
    IIR_NONE = 0x01,
    IIR_MSR = 0x00,
    IIR_THRE = 0x02,
    IIR_RDA = 0x04,
    IIR_RLS = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,
    FCR_ENABLE = 0x01,
    FCR_CLEAR_RX = 0x02,
    LCR_STOP = 0x04,
    LCR_PARITY = 0x08,
    LCR_DLAB = 0x80,
    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    LSR_DR = 0x01,
    LSR_OE = 0x02,
    LSR_ERRORS = 0x1e,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    MSR_DELTAS = 0x0f,
    MSR_TERI = 0x04,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
};

#define IRQ        4u
#define CLOCK_RATE 1843200u         /* of the baud rate generator; 16 clocks a bit */
#define IDLE_POLL  (CLOCK_HZ / 100) /* cycles between looks at a console without input */
#define CONNECTED  (MSR_CTS | MSR_DSR | MSR_DCD) /* a terminal that is always there */

static bool fifo_mode(const struct uart *uart)
{
    return uart->fcr & FCR_ENABLE;
}

static unsigned capacity(const struct uart *uart)
{
    return fifo_mode(uart) ? UART_FIFO : 1;
}

static unsigned trigger_level(const struct uart *uart)
{
    static const uint8_t levels[4] = {1, 4, 8, 14};
    return fifo_mode(uart) ? levels[uart->fcr >> 6] : 1;
}

/* The pending interrupt of the highest priority, as IIR bits 3-0. */
static uint8_t identify(const struct uart *uart)
{
    if ((uart->ier & IER_RLS) && (uart->lsr & LSR_ERRORS))
        return IIR_RLS;
    if ((uart->ier & IER_RDA) && uart->count >= trigger_level(uart))
        return IIR_RDA;
    if ((uart->ier & IER_RDA) && uart->timeout)
        return IIR_TIMEOUT;
    if ((uart->ier & IER_THRE) && uart->thre_pending)
        return IIR_THRE;
    if ((uart->ier & IER_MSR) && (uart->msr & MSR_DELTAS))
        return IIR_MSR;
    return IIR_NONE;
}

/* OUT2 gates the interrupt onto the bus on a PC. */
static void update(struct uart *uart)
{
    bool line = identify(uart) != IIR_NONE && (uart->mcr & MCR_OUT2);
    pic_set_line(&uart->board->pic, IRQ, line);
}

uint64_t uart_character_cycles(const struct uart *uart)
{
    unsigned data = 5 + (uart->lcr & 3);
    unsigned half_bits = 2 * (1 + data + 1) + (uart->lcr & LCR_PARITY ? 2 : 0);
    if (uart->lcr & LCR_STOP)
        half_bits += data == 5 ? 1 : 2;
    uint64_t divisor = uart->divisor ? uart->divisor : 65536;
    return divisor * 8 * half_bits * CLOCK_HZ / CLOCK_RATE;
}

/* The time-out counts four character times from the last arrival or read. */
static void restart_timeout(struct uart *uart)
{
    uint64_t deadline = CLOCK_NEVER;
    if (fifo_mode(uart) && uart->count)
        deadline = uart->board->clock.now + 4 * uart_character_cycles(uart);
    uart->timeout = false;
    clock_arm(&uart->board->clock, uart->timeout_timer, deadline);
}

static void fire_timeout(void *device, uint64_t now)
{
    (void)now;
    struct uart *uart = device;
    uart->timeout = uart->count != 0;
    update(uart);
}

void uart_receive(struct uart *uart, uint8_t character)
{
    if (uart->count >= capacity(uart)) {
        uart->lsr |= LSR_OE;
        if (!fifo_mode(uart)) /* the holding register is overwritten, the FIFO is not */
            uart->fifo[uart->head] = character;
    } else {
        uart->fifo[(uart->head + uart->count) % UART_FIFO] = character;
        uart->count++;
    }
    uart->lsr |= LSR_DR;
    restart_timeout(uart);
    update(uart);
}

static bool ready_for_input(const struct uart *uart)
{
    return uart->board->console.input && !(uart->mcr & MCR_LOOP) &&
           ((uart->mcr & MCR_RTS) || (uart->ier & IER_RDA));
}

static void fire_receive(void *device, uint64_t now)
{
    struct uart *uart = device;
    const struct board_console *console = &uart->board->console;
    uart->polling = ready_for_input(uart);
    if (!uart->polling)
        return;
    uint64_t wait = IDLE_POLL;
    uint8_t character;
    if (uart->count < capacity(uart) && console->input(console->context, &character, 1) == 1) {
        uart_receive(uart, character);
        wait = 0;
    }
    uint64_t time = uart_character_cycles(uart);
    clock_arm(&uart->board->clock, uart->receive_timer, now + (wait > time ? wait : time));
}

static void start_polling(struct uart *uart)
{
    if (uart->polling || !ready_for_input(uart))
        return;
    uart->polling = true;
    clock_arm(&uart->board->clock, uart->receive_timer,
              uart->board->clock.now + uart_character_cycles(uart));
}

static void clear_receiver(struct uart *uart)
{
    uart->head = uart->count = 0;
    uart->lsr &= (uint8_t)~LSR_DR;
    restart_timeout(uart);
}

static uint8_t read_character(struct uart *uart)
{
    uint8_t character = uart->fifo[uart->head];
    if (!uart->count)
        return character; /* the register keeps what it had */
    if (fifo_mode(uart))
        uart->head = (uart->head + 1) % UART_FIFO;
    uart->count--;
    if (!uart->count)
        uart->lsr &= (uint8_t)~LSR_DR;
    restart_timeout(uart);
    update(uart);
    return character;
}

static void transmit(struct uart *uart, uint8_t character)
{
    const struct board_console *console = &uart->board->console;
    uart->thre_pending = false;
    update(uart); /* the holding register is full for an instant: the next interrupt is an edge */
    if (uart->mcr & MCR_LOOP)
        uart_receive(uart, character);
    else if (console->output)
        console->output(console->context, &character, 1);
    uart->thre_pending = true;
    update(uart);
}

static uint8_t read_iir(struct uart *uart)
{
    uint8_t id = identify(uart);
    if (id == IIR_THRE) { /* reading is what acknowledges this source */
        uart->thre_pending = false;
        update(uart);
    }
    return (uint8_t)(id | (fifo_mode(uart) ? IIR_FIFOS : 0));
}

static void write_ier(struct uart *uart, uint8_t value)
{
    if ((value & IER_THRE) && !(uart->ier & IER_THRE))
        uart->thre_pending = true; /* the transmitter is empty, and now somebody wants to know */
    uart->ier = value & 0x0f;
    start_polling(uart);
    update(uart);
}

static void write_fcr(struct uart *uart, uint8_t value)
{
    if ((value ^ uart->fcr) & FCR_ENABLE) /* changing the mode clears both FIFOs */
        value |= FCR_CLEAR_RX;
    uart->fcr = value & FCR_ENABLE ? value & 0xc9 : 0;
    if (value & FCR_CLEAR_RX)
        clear_receiver(uart);
    update(uart);
}

/* In loopback the modem inputs are the modem control outputs. Changes set the delta bits; that of
 * the ring indicator only when the ringing ends. */
static void update_modem(struct uart *uart)
{
    uint8_t inputs = CONNECTED;
    if (uart->mcr & MCR_LOOP)
        inputs =
            (uint8_t)((uart->mcr & MCR_RTS ? MSR_CTS : 0) | (uart->mcr & MCR_DTR ? MSR_DSR : 0) |
                      (uart->mcr & MCR_OUT1 ? MSR_RI : 0) | (uart->mcr & MCR_OUT2 ? MSR_DCD : 0));
    uint8_t changed = (inputs ^ uart->msr) >> 4;
    if (inputs & MSR_RI)
        changed &= (uint8_t)~MSR_TERI;
    uart->msr = (uint8_t)(inputs | (uart->msr & MSR_DELTAS) | changed);
}

static void write_mcr(struct uart *uart, uint8_t value)
{
    uart->mcr = value & 0x1f;
    update_modem(uart);
    start_polling(uart);
    update(uart);
}

static uint8_t read_lsr(struct uart *uart)
{
    uint8_t value = uart->lsr | LSR_THRE | LSR_TEMT;
    uart->lsr &= (uint8_t)~LSR_ERRORS;
    update(uart);
    return value;
}

static uint8_t read_msr(struct uart *uart)
{
    uint8_t value = uart->msr;
    uart->msr &= (uint8_t)~MSR_DELTAS;
    update(uart);
    return value;
}

static uint8_t uart_in(void *device, uint16_t port)
{
    struct uart *uart = device;
    bool latch = uart->lcr & LCR_DLAB;
    switch (port & 7) {
    case RBR_THR: return latch ? (uint8_t)uart->divisor : read_character(uart);
    case IER: return latch ? (uint8_t)(uart->divisor >> 8) : uart->ier;
    case IIR_FCR: return read_iir(uart);
    case LCR: return uart->lcr;
    case MCR: return uart->mcr;
    case LSR: return read_lsr(uart);
    case MSR: return read_msr(uart);
    default: return uart->scratch;
    }
}

static void uart_out(void *device, uint16_t port, uint8_t value)
{
    struct uart *uart = device;
    bool latch = uart->lcr & LCR_DLAB;
    switch (port & 7) {
    case RBR_THR:
        if (latch)
            uart->divisor = (uint16_t)((uart->divisor & 0xff00) | value);
        else
            transmit(uart, value);
        break;
    case IER:
        if (latch)
            uart->divisor = (uint16_t)((uart->divisor & 0x00ff) | value << 8);
        else
            write_ier(uart, value);
        break;
    case IIR_FCR: write_fcr(uart, value); break;
    case LCR: uart->lcr = value; break;
    case MCR: write_mcr(uart, value); break;
    case LSR: break; /* factory test */
    case MSR: break;
    default: uart->scratch = value; break;
    }
}

static const struct bus_device uart_ports = {.name = "uart", .in = uart_in, .out = uart_out};

void uart_init(struct uart *uart, struct board *board)
{
    memset(uart, 0, sizeof *uart);
    uart->msr = CONNECTED;
    uart->divisor = 1; /* the data sheet leaves it undefined; 115,200 baud */
    uart_wire(uart, board);
}

void uart_wire(struct uart *uart, struct board *board)
{
    uart->board = board;
    uart->receive_timer = clock_add(&board->clock, "uart-receive", fire_receive, uart);
    uart->timeout_timer = clock_add(&board->clock, "uart-timeout", fire_timeout, uart);
    bus_claim(&board->bus, 0x3f8, 0x3ff, &uart_ports, uart);
}
