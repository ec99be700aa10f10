/* The port bus. Guests poll ports hundreds of thousands of times, so the owner of a port is found
 * by one look into a table of 65,536 bytes; a board has few devices, so a byte is enough. */
#include "bus.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

void bus_init(struct bus *bus)
{
    memset(bus, 0, sizeof *bus);
}

void bus_claim(struct bus *bus, uint16_t first, uint16_t last, const struct bus_device *ops,
               void *device)
{
    assert(bus->count < BUS_CLAIMS && first <= last);
    bus->claims[bus->count++] =
        (struct bus_claim){.first = first, .last = last, .ops = ops, .device = device};
    for (unsigned port = first; port <= last; port++) {
        assert(bus->owner[port] == 0);
        bus->owner[port] = (uint8_t)bus->count;
    }
}

static const struct bus_claim *owner_of(const struct bus *bus, uint16_t port)
{
    unsigned owner = bus->owner[port];
    return owner ? &bus->claims[owner - 1] : NULL;
}

static uint8_t in_byte(struct bus *bus, uint16_t port)
{
    const struct bus_claim *claim = owner_of(bus, port);
    return claim ? claim->ops->in(claim->device, port) : 0xff;
}

uint32_t bus_in(struct bus *bus, uint16_t port, unsigned size)
{
    uint32_t value = in_byte(bus, port);
    for (unsigned i = 1; i < size; i++)
        value |= (uint32_t)in_byte(bus, (uint16_t)(port + i)) << (8 * i);
    return value;
}

void bus_out(struct bus *bus, uint16_t port, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size; i++) {
        uint16_t at = (uint16_t)(port + i);
        const struct bus_claim *claim = owner_of(bus, at);
        if (claim)
            claim->ops->out(claim->device, at, (uint8_t)(value >> (8 * i)));
    }
}

const char *bus_name(const struct bus *bus, uint16_t port)
{
    const struct bus_claim *claim = owner_of(bus, port);
    return claim ? claim->ops->name : NULL;
}
