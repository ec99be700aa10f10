/* Moments of guest memory. See pages.h. */
#include "pages.h"

#include <stdlib.h>
#include <string.h>

#include "machine/dirty.h"

enum { CHUNK = 256 };

struct page {
    unsigned users;
    uint8_t bytes[X86_PAGE_SIZE];
};

struct chunk {
    unsigned users;
    struct page *page[CHUNK]; /* NULL: zeros */
};

struct pages {
    struct page_store *store;
    unsigned users;
    uint32_t count; /* pages */
    uint32_t chunk_count;
    struct chunk *chunk[];
};

/* ---- the store ---- */

struct page_store *page_store_new(void)
{
    struct page_store *store = calloc(1, sizeof *store);
    if (store)
        store->users = 1;
    return store;
}

void page_store_leave(struct page_store *store)
{
    if (store && --store->users == 0)
        free(store);
}

static void *obtain(struct page_store *store, size_t size)
{
    void *bytes = calloc(1, size);
    if (bytes)
        store->bytes += size;
    return bytes;
}

static void give_back(struct page_store *store, void *bytes, size_t size)
{
    store->bytes -= size;
    free(bytes);
}

static size_t size_of(uint32_t chunks)
{
    return sizeof(struct pages) + chunks * sizeof(struct chunk *);
}

/* ---- users ---- */

static void leave_page(struct page_store *store, struct page *page)
{
    if (page && --page->users == 0)
        give_back(store, page, sizeof *page);
}

static void leave_chunk(struct page_store *store, struct chunk *chunk)
{
    if (!chunk || --chunk->users)
        return;
    for (unsigned i = 0; i < CHUNK; i++)
        leave_page(store, chunk->page[i]);
    give_back(store, chunk, sizeof *chunk);
}

struct pages *pages_share(struct pages *pages)
{
    pages->users++;
    return pages;
}

void pages_leave(struct pages *pages)
{
    if (!pages || --pages->users)
        return;
    struct page_store *store = pages->store;
    for (uint32_t i = 0; i < pages->chunk_count; i++)
        leave_chunk(store, pages->chunk[i]);
    give_back(store, pages, size_of(pages->chunk_count));
    page_store_leave(store);
}

size_t pages_alone(const struct pages *pages)
{
    size_t bytes = size_of(pages->chunk_count);
    for (uint32_t i = 0; i < pages->chunk_count && pages->users == 1; i++) {
        const struct chunk *chunk = pages->chunk[i];
        if (chunk->users > 1)
            continue;
        bytes += sizeof *chunk;
        for (unsigned k = 0; k < CHUNK; k++)
            if (chunk->page[k] && chunk->page[k]->users == 1)
                bytes += sizeof *chunk->page[k];
    }
    return bytes;
}

/* ---- taking ---- */

static bool all_zero(const uint8_t *page)
{
    return *page == 0 && memcmp(page, page + 1, X86_PAGE_SIZE - 1) == 0;
}

static bool changed(const struct vmm_vm *vm, uint32_t page, uint32_t epoch)
{
    return dirty_since(&vm->machine->cpu, vm_frame(vm, page << MEMORY_FRAME_SHIFT), epoch);
}

static bool same(const struct page *page, const uint8_t *now)
{
    if (!now)
        return !page;
    return page ? !memcmp(page->bytes, now, X86_PAGE_SIZE) : all_zero(now);
}

/* The page as it is now, `before` if that is the same. False without memory. */
static bool take_page(struct page_store *store, const uint8_t *now, struct page *before,
                      struct page **page)
{
    *page = before;
    if (same(before, now)) {
        if (before)
            before->users++;
        return true;
    }
    *page = 0;
    if (all_zero(now))
        return true;
    *page = obtain(store, sizeof **page);
    if (!*page)
        return false;
    (*page)->users = 1;
    memcpy((*page)->bytes, now, X86_PAGE_SIZE);
    return true;
}

/* Pages from number `first` on, where `before` was. NULL without memory. */
static struct chunk *take_chunk(const struct vmm_vm *vm, struct page_store *store,
                                const struct chunk *before, uint32_t first, uint32_t epoch)
{
    struct chunk *chunk = obtain(store, sizeof *chunk);
    if (!chunk)
        return 0;
    chunk->users = 1;
    for (unsigned i = 0; i < CHUNK; i++) {
        struct page *old = before ? before->page[i] : 0;
        const uint8_t *now = vm_page(vm, (first + i) << MEMORY_FRAME_SHIFT);
        if (!now)
            continue;
        if (before && !changed(vm, first + i, epoch)) {
            chunk->page[i] = old;
            if (old)
                old->users++;
        } else if (!take_page(store, now, old, &chunk->page[i])) {
            leave_chunk(store, chunk);
            return 0;
        }
    }
    return chunk;
}

static bool chunk_changed(const struct vmm_vm *vm, uint32_t first, uint32_t count, uint32_t epoch)
{
    for (uint32_t page = first; page < first + CHUNK && page < count; page++)
        if (changed(vm, page, epoch))
            return true;
    return false;
}

struct pages *pages_take(const struct vmm_vm *vm, const struct pages *base, uint32_t epoch)
{
    struct page_store *store = vm->store;
    uint32_t count = vm_memory_size(vm) >> MEMORY_FRAME_SHIFT, chunks = (count + CHUNK - 1) / CHUNK;
    struct pages *pages = obtain(store, size_of(chunks));
    if (!pages)
        return 0;
    *pages = (struct pages){store, 1, count, chunks};
    store->users++;
    for (uint32_t i = 0; i < chunks; i++) {
        struct chunk *before = base ? base->chunk[i] : 0;
        if (before && !chunk_changed(vm, i * CHUNK, count, epoch)) {
            before->users++;
            pages->chunk[i] = before;
        } else if (!(pages->chunk[i] = take_chunk(vm, store, before, i * CHUNK, epoch))) {
            pages_leave(pages);
            return 0;
        }
    }
    return pages;
}

/* ---- and putting back ---- */

void pages_restore(const struct vmm_vm *vm, const struct pages *pages, uint32_t epoch)
{
    static const uint8_t zeros[X86_PAGE_SIZE];
    const struct x86_memory *memory = vm->dispatcher.memory;
    for (uint32_t i = 0; i < pages->count; i++) {
        uint32_t address = i << MEMORY_FRAME_SHIFT;
        const struct page *page = pages->chunk[i / CHUNK]->page[i % CHUNK];
        if (!changed(vm, i, epoch) || same(page, vm_page(vm, address)))
            continue;
        uint8_t *now = memory->page(memory->context, address, true);
        memcpy(now, page ? page->bytes : zeros, X86_PAGE_SIZE);
    }
    memory->page(memory->context, 0, false); /* the last page is done: who noticed it looks now */
}
