/* Three ports for programs that talk to whoever runs them (hexadecimal): 80 takes the power-on
 * self-test codes of firmware and remembers the last, E9 writes a character to the console and
 * reads as E9 (Bochs' convention), F4 ends the run (QEMU's isa-debug-exit). */
#ifndef VMM_MACHINE_DEVICES_DEBUG_H
#define VMM_MACHINE_DEVICES_DEBUG_H

#include <stdint.h>

struct board;

struct debug_ports {
    struct board *board;
    uint8_t post;       /* the last code written to port 80 */
    uint64_t exit_time; /* when port F4 was written: F5-F7 in the same access widen the code */
};

void debug_init(struct debug_ports *debug, struct board *board);

/* Claims ports 80, E9 and F4-F7. */
void debug_wire(struct debug_ports *debug, struct board *board);

#endif
