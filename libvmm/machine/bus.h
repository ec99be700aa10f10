/* The port bus: which device answers which of the 65,536 I/O ports. A port that nobody claims reads
 * as ones and ignores writes, as on an ISA bus. Devices are bytes wide unless they say otherwise:
 * wider accesses reach them as successive bytes, lowest port first. */
#ifndef VMM_MACHINE_BUS_H
#define VMM_MACHINE_BUS_H

#include <stdint.h>

struct bus_device {
    const char *name; /* "pic", "uart": as records and `info devices` print it */
    uint8_t (*in)(void *device, uint16_t port);
    void (*out)(void *device, uint16_t port, uint8_t value);
};

#define BUS_CLAIMS 24

struct bus {
    unsigned count;
    struct bus_claim {
        uint16_t first, last; /* ports, both inclusive */
        const struct bus_device *ops;
        void *device;
    } claims[BUS_CLAIMS];
    uint8_t owner[65536]; /* index of the claim + 1; 0: nobody */
};

void bus_init(struct bus *bus);

/* Gives the ports `first` to `last` to a device. Asserts that nobody has them. */
void bus_claim(struct bus *bus, uint16_t first, uint16_t last, const struct bus_device *ops,
               void *device);

/* Reads `size` (1, 2 or 4) bytes at `port`; ports beyond 65535 wrap as the bus has 16 address
 * lines. */
uint32_t bus_in(struct bus *bus, uint16_t port, unsigned size);
void bus_out(struct bus *bus, uint16_t port, unsigned size, uint32_t value);

/* The name of the device at `port`, or NULL. */
const char *bus_name(const struct bus *bus, uint16_t port);

#endif
