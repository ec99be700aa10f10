/* Keeping the cache. See cache.h; the ways through it are in memory.c and fetch.c. */
#include "cache.h"

#include <stdlib.h>
#include <string.h>

#include "cache_inside.h"

/* Instructions decoded from the frame so far are no longer valid. */
static void next_generation(uint32_t *generation)
{
    if (*generation && ++*generation == 0) {
        *generation = 1; /* what was decoded 4 billion writes ago has long been replaced */
    }
}

void interpreter_cache_written(struct interpreter_cache *cache, uint32_t physical)
{
    if (physical < cache->size) {
        next_generation(&cache->generation[physical / X86_PAGE_SIZE]);
    }
}

static uint8_t *cache_page_of(void *context, uint32_t physical, bool write)
{
    struct interpreter_cache *cache = context;

    if (write) {
        interpreter_cache_written(cache, physical);
    }
    return cache->below.page(cache->below.context, physical, write);
}

uint32_t interpreter_cache_code(struct interpreter_cache *cache, uint32_t physical)
{
    uint32_t *generation = &cache->generation[physical / X86_PAGE_SIZE];
    uint32_t frame = physical & X86_PAGE_MASK;

    if (*generation == 0) {
        for (unsigned user = 0; user < 2; user++) {
            for (unsigned i = 0; i < CACHE_PAGES; i++) {
                if (cache->write[user][i].physical == frame) {
                    cache->write[user][i].tag = 0;
                }
            }
        }
        *generation = 1;
    }
    return cache->shared[physical / X86_PAGE_SIZE] ? 0 : *generation;
}

void interpreter_cache_ask(struct interpreter_cache *cache)
{
    memset(cache->write, 0, sizeof cache->write);
}

void interpreter_cache_watch(struct interpreter_cache *cache, uint32_t physical)
{
    if (physical < cache->size) {
        interpreter_cache_code(cache, physical);
    }
}

void interpreter_cache_share(struct interpreter_cache *cache, uint32_t physical)
{
    if (physical < cache->size) {
        interpreter_cache_written(cache, physical);
        cache->shared[physical / X86_PAGE_SIZE] = true;
    }
}

void interpreter_cache_flush(struct interpreter_cache *cache)
{
    memset(cache->read, 0, sizeof cache->read);
    memset(cache->write, 0, sizeof cache->write);
    memset(cache->fetch, 0, sizeof cache->fetch);
}

void interpreter_cache_flush_page(struct interpreter_cache *cache, uint32_t linear)
{
    for (unsigned user = 0; user < 2; user++) {
        cache_slot(cache->read[user], linear, CACHE_PAGES)->tag = 0;
        cache_slot(cache->write[user], linear, CACHE_PAGES)->tag = 0;
        cache_slot(cache->fetch[user], linear, CACHE_FETCHES)->tag = 0;
    }
}

void interpreter_cache_clear(struct interpreter_cache *cache)
{
    interpreter_cache_flush(cache);
    memset(cache->code, 0, sizeof cache->code);
    memset(cache->generation, 0, cache->size / X86_PAGE_SIZE * sizeof *cache->generation);
}

struct interpreter_cache *interpreter_cache_create(const struct x86_memory *memory, uint32_t size)
{
    struct interpreter_cache *cache = calloc(1, sizeof *cache);

    if (!cache) {
        return NULL;
    }
    cache->below = *memory;
    cache->memory = (struct x86_memory){.context = cache, .page = cache_page_of};
    cache->size = size & X86_PAGE_MASK;
    cache->generation = calloc(cache->size / X86_PAGE_SIZE + 1, sizeof *cache->generation);
    cache->shared = calloc(cache->size / X86_PAGE_SIZE + 1, sizeof *cache->shared);
    if (!cache->generation || !cache->shared) {
        interpreter_cache_destroy(cache);
        return NULL;
    }
    return cache;
}

void interpreter_cache_destroy(struct interpreter_cache *cache)
{
    if (cache) {
        free(cache->generation);
        free(cache->shared);
        free(cache);
    }
}

const struct x86_memory *interpreter_cache_memory(const struct interpreter_cache *cache)
{
    return &cache->memory;
}
