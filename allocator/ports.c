/* Ownership of ports and interrupt lines is one array each: the question is asked at every trapped
 * IN and OUT, the answer is given rarely. See ports.h. */
#include "ports.h"

bool ports_give(struct ports *ports, uint16_t owner, uint32_t first, uint32_t count)
{
    if (count == 0 || first >= PORTS_COUNT || count > PORTS_COUNT - first) {
        return false;
    }
    for (uint32_t port = first; port < first + count; port++) {
        if (ports->port[port] != PORTS_NOBODY && ports->port[port] != owner) {
            return false;
        }
    }
    for (uint32_t port = first; port < first + count; port++) {
        ports->port[port] = owner;
    }
    return true;
}

bool ports_allow(const struct ports *ports, uint16_t owner, uint16_t port, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        if (ports->port[(uint16_t)(port + i)] != owner) {
            return false;
        }
    }
    return true;
}

bool lines_give(struct ports *ports, uint16_t owner, unsigned line)
{
    if (line >= LINES_COUNT || (ports->line[line] != PORTS_NOBODY && ports->line[line] != owner)) {
        return false;
    }
    ports->line[line] = owner;
    return true;
}

uint16_t lines_owner(const struct ports *ports, unsigned line)
{
    return line < LINES_COUNT ? ports->line[line] : PORTS_NOBODY;
}

void ports_take_back(struct ports *ports, uint16_t owner)
{
    for (uint32_t port = 0; port < PORTS_COUNT; port++) {
        ports->port[port] = ports->port[port] == owner ? PORTS_NOBODY : ports->port[port];
    }
    for (unsigned line = 0; line < LINES_COUNT; line++) {
        ports->line[line] = ports->line[line] == owner ? PORTS_NOBODY : ports->line[line];
    }
}
