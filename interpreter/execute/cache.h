/* What the full interpreter remembers, so that an instruction costs nanoseconds: translations of
 * linear pages (a TLB: entries live until they are flushed, as the manual allows and some kernels
 * find out, SDM volume 3, section 4.10.2), and decoded instructions by physical address.
 *
 * Decoded code follows every write to it: a page from which code was decoded has no entry for
 * writing, so that each write to it asks the accessor, where it is noticed. That holds for writes
 * of others too, if they go through interpreter_cache_memory. */
#ifndef VMM_INTERPRETER_CACHE_H
#define VMM_INTERPRETER_CACHE_H

#include "arch/x86/memory.h"

struct interpreter_cache;

/* A cache over `memory`, whose first `size` bytes have pages that stay where they are until
 * interpreter_cache_clear; what lies beyond is always asked for. NULL if the host has no memory. */
struct interpreter_cache *interpreter_cache_create(const struct x86_memory *memory, uint32_t size);
void interpreter_cache_destroy(struct interpreter_cache *cache);

/* The accessor that notices writes to code; good as long as the cache. */
const struct x86_memory *interpreter_cache_memory(const struct interpreter_cache *cache);

/* Forgets translations: all of them (CR3, CR0, CR4 were written), or that of `linear`. */
void interpreter_cache_flush(struct interpreter_cache *cache);
void interpreter_cache_flush_page(struct interpreter_cache *cache, uint32_t linear);

/* The page of `physical` was written past the accessor. */
void interpreter_cache_written(struct interpreter_cache *cache, uint32_t physical);

/* Forgets the translations for writing: the next write to each page asks the accessor. */
void interpreter_cache_ask(struct interpreter_cache *cache);

/* From now on every write to the page of `physical` asks the accessor; for the accessor itself to
 * call. */
void interpreter_cache_watch(struct interpreter_cache *cache, uint32_t physical);

/* From now on others may write to the page of `physical` unseen: code from it is decoded each time.
 * Clearing the cache does not end that. */
void interpreter_cache_share(struct interpreter_cache *cache, uint32_t physical);

/* Forgets everything. */
void interpreter_cache_clear(struct interpreter_cache *cache);

#endif
