/* The layout of the cache, for the two paths through it that have to be fast: memory.c and fetch.c.
 */
#ifndef VMM_INTERPRETER_CACHE_INSIDE_H
#define VMM_INTERPRETER_CACHE_INSIDE_H

#include "cache.h"
#include "execute.h"

enum { CACHE_PAGES = 256, CACHE_FETCHES = 64, CACHE_CODE = 1 << 14 };

/* `tag` is the linear page with bit 0 set; 0 is no page. */
struct cache_page {
    uint32_t tag;
    uint32_t physical;
    uint8_t *host;
};

struct cache_code {
    uint32_t physical;
    uint32_t generation; /* of its frame when it was decoded; 0: empty */
    bool code32;
    execute *run; /* NULL: a routine, or the processor's own */
    struct x86_instruction insn;
};

struct interpreter_cache {
    struct x86_memory below;  /* the owner's */
    struct x86_memory memory; /* ours, over it */
    uint32_t size;            /* bytes of memory whose pages may be remembered */
    /* By user or supervisor. Entries for writing have D set in the tables, and no code. */
    struct cache_page read[2][CACHE_PAGES], write[2][CACHE_PAGES], fetch[2][CACHE_FETCHES];
    struct cache_code code[CACHE_CODE];
    uint32_t *generation; /* by frame: 0, no code was decoded from it; grows with each write */
    bool *shared;         /* by frame: others write to it unseen */
};

static inline uint32_t cache_tag(uint32_t linear)
{
    return (linear & X86_PAGE_MASK) | 1u;
}

static inline struct cache_page *cache_slot(struct cache_page *pages, uint32_t linear,
                                            unsigned count)
{
    return &pages[linear / X86_PAGE_SIZE % count];
}

static inline bool cache_has_code(const struct interpreter_cache *cache, uint32_t physical)
{
    return physical < cache->size && cache->generation[physical / X86_PAGE_SIZE];
}

/* Code is about to be decoded from the frame of `physical`, which is below `size`: returns its
 * generation. */
uint32_t interpreter_cache_code(struct interpreter_cache *cache, uint32_t physical);

#endif
