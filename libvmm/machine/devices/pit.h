/* The 8254 programmable interval timer (Intel data sheet 231164) and port 61, which gates its third
 * counter. The counters run at 1.193182 MHz, 14.31818 MHz / 12; a state is what was loaded at which
 * tick of that clock, and everything else is computed from virtual time when somebody asks. */
#ifndef VMM_MACHINE_DEVICES_PIT_H
#define VMM_MACHINE_DEVICES_PIT_H

#include <stdbool.h>
#include <stdint.h>

#define PIT_HZ 1193182u

struct board;

struct pit_counter {
    uint8_t control; /* the control word's bits 5-0: access (RW), mode, BCD */
    bool gate;

    bool high_next_out, high_next_in; /* which byte of a 16-bit access is due */
    uint8_t low_out;                  /* the low byte, waiting for the high one */
    bool count_latched, status_latched;
    uint16_t count_latch;
    uint8_t status_latch;

    uint32_t reload;  /* the count register, 1 to 65536 */
    uint32_t initial; /* what the counting element started from */
    int64_t origin;   /* the tick at which it held that */
    bool loaded;      /* it has been loaded since the control word */
    bool paused;      /* gate low: the counting element stands still, `frozen` ticks after origin */
    int64_t frozen;
    bool pending;        /* `reload` has not reached the counting element yet, it will ... */
    int64_t transfer_at; /* ... at this tick (modes 2 and 3) or at the next trigger (1 and 5) */
    bool out_before;     /* until `origin`: what OUT was, and what the counter read */
    uint16_t count_before;
};

struct pit {
    struct board *board;
    unsigned timer; /* the clock's timer for IRQ 0 */
    struct pit_counter counter[3];
    uint8_t port61; /* bits 3-0 as written */
};

/* The state in which a PC's firmware leaves it, for kernels that never program it and yet read it:
 * all counters in mode 3 from 65536 (18.2 periods a second), the gate of counter 2 low. */
void pit_init(struct pit *pit, struct board *board);

/* Claims ports 40-43 and 61 (hexadecimal) and a timer. */
void pit_wire(struct pit *pit, struct board *board);

/* The level of a counter's OUT pin at the board's present time. */
bool pit_output(struct pit *pit, unsigned counter);

/* Ticks of the counters' clock since power-on at `cycles`, and the first cycle that has that many.
 */
uint64_t pit_ticks(uint64_t cycles);
uint64_t pit_cycles(uint64_t ticks);

#endif
