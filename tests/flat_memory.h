/* A small flat physical memory behind the architecture's accessor, for tests: pages can be taken
 * away, to see that an algorithm asks for them and starts again. */
#ifndef VMM_TESTS_FLAT_MEMORY_H
#define VMM_TESTS_FLAT_MEMORY_H

#include <stdlib.h>
#include <string.h>

#include "arch/x86/memory.h"

#define FLAT_PAGES 64u
#define FLAT_SIZE  (FLAT_PAGES * X86_PAGE_SIZE)

struct flat_memory {
    uint8_t bytes[FLAT_SIZE];
    uint8_t nowhere[X86_PAGE_SIZE]; /* what lies beyond: ones, writes are lost */
    bool away[FLAT_PAGES];
    uint32_t wanted;         /* the page last asked for that was away */
    unsigned write_requests; /* how often a page was asked for to be written */
};

static inline uint8_t *flat_page(void *context, uint32_t physical, bool write)
{
    struct flat_memory *flat = context;
    uint32_t number = physical / X86_PAGE_SIZE;

    flat->write_requests += write;
    if (number >= FLAT_PAGES) {
        memset(flat->nowhere, 0xff, sizeof flat->nowhere);
        return flat->nowhere;
    }
    if (flat->away[number]) {
        flat->wanted = number;
        return NULL;
    }
    return flat->bytes + number * X86_PAGE_SIZE;
}

static inline struct flat_memory *flat_create(struct x86_memory *memory)
{
    struct flat_memory *flat = calloc(1, sizeof *flat);

    *memory = (struct x86_memory){.context = flat, .page = flat_page};
    return flat;
}

static inline void flat_put32(struct flat_memory *flat, uint32_t address, uint32_t value)
{
    memcpy(flat->bytes + address, &value, sizeof value);
}

static inline void flat_put16(struct flat_memory *flat, uint32_t address, uint16_t value)
{
    memcpy(flat->bytes + address, &value, sizeof value);
}

static inline uint32_t flat_get32(const struct flat_memory *flat, uint32_t address)
{
    uint32_t value;

    memcpy(&value, flat->bytes + address, sizeof value);
    return value;
}

static inline uint16_t flat_get16(const struct flat_memory *flat, uint32_t address)
{
    uint16_t value;

    memcpy(&value, flat->bytes + address, sizeof value);
    return value;
}

#endif
