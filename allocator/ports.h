/* The allocator's smaller resources: which VM owns which I/O port and which interrupt line. A port
 * or line has one owner at most, so that a device is never driven by two guests (Popek and Goldberg
 * 1974: a program gets a resource only by asking the allocator). */
#ifndef VMM_ALLOCATOR_PORTS_H
#define VMM_ALLOCATOR_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#define PORTS_NOBODY 0u
#define PORTS_COUNT  65536u
#define LINES_COUNT  16u

struct ports {
    uint16_t port[PORTS_COUNT]; /* owner, PORTS_NOBODY if free */
    uint16_t line[LINES_COUNT];
};

/* Gives `count` ports from `first` on to `owner`. Returns false, and gives none, if one of them
 * belongs to another, or if the range is empty or leaves the port space. */
bool ports_give(struct ports *ports, uint16_t owner, uint32_t first, uint32_t count);

/* Whether an access of `bytes` bytes at `port` touches only ports of `owner`; as on the bus, an
 * access that passes port 65535 goes on at port 0. */
bool ports_allow(const struct ports *ports, uint16_t owner, uint16_t port, unsigned bytes);

/* Gives interrupt line `line` (0 to 15) to `owner`. False if it is another's or does not exist. */
bool lines_give(struct ports *ports, uint16_t owner, unsigned line);

/* The owner of a line: PORTS_NOBODY if it is free or does not exist. */
uint16_t lines_owner(const struct ports *ports, unsigned line);

/* Takes back every port and line that `owner` has. */
void ports_take_back(struct ports *ports, uint16_t owner);

#endif
