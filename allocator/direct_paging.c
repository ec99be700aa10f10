/* Types and counts of frames, and the checks of page table entries. See direct_paging.h. */
#include "direct_paging.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/walk.h"

enum { ENTRIES = 1024 };

/* Bits that no entry may have: a page of 4 MB (or, in a table, PAT), and a translation that a load
 * of CR3 would not flush. */
#define FORBIDDEN ((uint32_t)(X86_PTE_PS | X86_PTE_G))

static uint32_t *entries(const struct direct_paging *paging, uint32_t frame)
{
    return (uint32_t *)(void *)memory_frame(paging->map->pool->memory, frame << MEMORY_FRAME_SHIFT);
}

static bool owned(const struct direct_paging *paging, uint32_t frame)
{
    return frame < paging->frames && frames_owner(paging->map->pool, frame) == paging->map->owner;
}

/* ---- references ----
 *
 * What an entry of a table of type `type` refers to, and as what: nothing (DIRECT_NONE) for an
 * absent entry, and for a read-only page, which is harmless whatever it holds. */

static enum direct_type refers(enum direct_type type, uint32_t entry)
{
    if (!(entry & X86_PTE_P))
        return DIRECT_NONE;
    if (type == DIRECT_DIRECTORY)
        return DIRECT_TABLE;
    return entry & X86_PTE_RW ? DIRECT_WRITABLE : DIRECT_NONE;
}

static enum direct_result get(struct direct_paging *paging, uint32_t frame, enum direct_type type);
static void put(struct direct_paging *paging, uint32_t frame);

static enum direct_result get_entry(struct direct_paging *paging, enum direct_type type,
                                    uint32_t entry)
{
    uint32_t frame = entry >> MEMORY_FRAME_SHIFT;
    enum direct_type wanted = refers(type, entry);

    if (!(entry & X86_PTE_P))
        return DIRECT_OK;
    if (entry & FORBIDDEN)
        return DIRECT_ENTRY;
    if (!owned(paging, frame))
        return DIRECT_OWNER;
    return wanted == DIRECT_NONE ? DIRECT_OK : get(paging, frame, wanted);
}

static void put_entry(struct direct_paging *paging, enum direct_type type, uint32_t entry)
{
    if (refers(type, entry) != DIRECT_NONE)
        put(paging, entry >> MEMORY_FRAME_SHIFT);
}

static bool is_vmm_slot(const struct direct_paging *paging, enum direct_type type, uint32_t index)
{
    return type == DIRECT_DIRECTORY && index == paging->slot;
}

/* Lets go of the first `count` entries. */
static void put_entries(struct direct_paging *paging, uint32_t frame, enum direct_type type,
                        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!is_vmm_slot(paging, type, i))
            put_entry(paging, type, entries(paging, frame)[i]);
}

/* Checks a frame that is to become a table or directory. */
static enum direct_result validate(struct direct_paging *paging, uint32_t frame,
                                   enum direct_type type)
{
    uint32_t *table = entries(paging, frame);

    paging->statistics.validated++;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        enum direct_result result = DIRECT_OK;
        if (!is_vmm_slot(paging, type, i))
            result = get_entry(paging, type, table[i]);
        else if (table[i] & X86_PTE_P)
            result = DIRECT_ENTRY;
        if (result != DIRECT_OK) {
            put_entries(paging, frame, type, i);
            return result;
        }
    }
    if (type == DIRECT_DIRECTORY)
        table[paging->slot] = paging->slot_entry;
    return DIRECT_OK;
}

/* One more use of `frame` as `type`. */
static enum direct_result get(struct direct_paging *paging, uint32_t frame, enum direct_type type)
{
    struct direct_frame *f = &paging->frame[frame];
    enum direct_result result = DIRECT_OK;

    if (f->count > 0 && f->type != type)
        return DIRECT_TYPE;
    if (f->count++ > 0) {
        assert(f->count > 0); /* a machine has fewer entries than 2^32 */
        return DIRECT_OK;
    }
    /* From here on it has its type: an entry that leads back to the frame itself is refused. */
    f->type = type;
    if (type != DIRECT_WRITABLE)
        result = validate(paging, frame, type);
    if (result != DIRECT_OK) {
        f->count = 0;
        return result;
    }
    if (type != DIRECT_WRITABLE && paging->stale) {
        paging->flush = true;
        paging->stale = false;
    }
    return DIRECT_OK;
}

static void put(struct direct_paging *paging, uint32_t frame)
{
    struct direct_frame *f = &paging->frame[frame];

    assert(f->count > 0);
    if (--f->count > 0)
        return;
    if (f->type == DIRECT_WRITABLE) {
        paging->stale = true;
        return;
    }
    put_entries(paging, frame, f->type, ENTRIES);
    if (f->type == DIRECT_DIRECTORY)
        entries(paging, frame)[paging->slot] = 0;
}

static enum direct_result count(struct direct_paging *paging, enum direct_result result)
{
    paging->statistics.refused += result != DIRECT_OK;
    return result;
}

/* ---- what a guest asks for ---- */

static enum direct_result write_entry(struct direct_paging *paging, uint32_t address,
                                      uint32_t value)
{
    uint32_t frame = address >> MEMORY_FRAME_SHIFT;
    uint32_t index = (address & (MEMORY_FRAME_SIZE - 1)) / sizeof value;

    if (!owned(paging, frame))
        return DIRECT_OWNER;
    const struct direct_frame *f = &paging->frame[frame];
    if (f->count == 0 || f->type < DIRECT_TABLE || address % sizeof value)
        return DIRECT_TYPE;
    if (is_vmm_slot(paging, f->type, index))
        return DIRECT_ENTRY;
    /* The new one first: a frame that both refer to keeps its type between. */
    enum direct_type type = f->type;
    enum direct_result result = get_entry(paging, type, value);
    if (result != DIRECT_OK)
        return result;
    uint32_t *entry = &entries(paging, frame)[index], old = *entry;
    *entry = value;
    put_entry(paging, type, old);
    paging->statistics.writes++;
    return DIRECT_OK;
}

enum direct_result direct_paging_write(struct direct_paging *paging, uint32_t address,
                                       uint32_t value)
{
    return count(paging, write_entry(paging, address, value));
}

static enum direct_result pin(struct direct_paging *paging, uint32_t frame, enum direct_type type)
{
    if (!owned(paging, frame))
        return DIRECT_OWNER;
    if (paging->frame[frame].pinned)
        return DIRECT_TYPE;
    enum direct_result result = get(paging, frame, type);
    paging->frame[frame].pinned = result == DIRECT_OK;
    return result;
}

enum direct_result direct_paging_pin(struct direct_paging *paging, uint32_t machine,
                                     enum direct_type type)
{
    return count(paging, pin(paging, machine >> MEMORY_FRAME_SHIFT, type));
}

enum direct_result direct_paging_unpin(struct direct_paging *paging, uint32_t machine)
{
    uint32_t frame = machine >> MEMORY_FRAME_SHIFT;

    if (!owned(paging, frame))
        return count(paging, DIRECT_OWNER);
    if (!paging->frame[frame].pinned)
        return count(paging, DIRECT_TYPE);
    paging->frame[frame].pinned = false;
    put(paging, frame);
    return DIRECT_OK;
}

enum direct_result direct_paging_switch(struct direct_paging *paging, uint32_t machine)
{
    uint32_t frame = machine >> MEMORY_FRAME_SHIFT, old = paging->root;

    if (!owned(paging, frame))
        return count(paging, DIRECT_OWNER);
    enum direct_result result = get(paging, frame, DIRECT_DIRECTORY);
    if (result != DIRECT_OK)
        return count(paging, result);
    paging->root = frame << MEMORY_FRAME_SHIFT;
    if (old != FRAMES_NONE)
        put(paging, old >> MEMORY_FRAME_SHIFT);
    /* A load of CR3 flushes; one that changes nothing is not made. */
    paging->flush = paging->root == old;
    paging->stale = false;
    return DIRECT_OK;
}

enum direct_result direct_paging_hold(struct direct_paging *paging, uint32_t machine)
{
    uint32_t frame = machine >> MEMORY_FRAME_SHIFT;

    return count(paging, owned(paging, frame) ? get(paging, frame, DIRECT_WRITABLE) : DIRECT_OWNER);
}

/* ---- life ---- */

bool direct_paging_init(struct direct_paging *paging, const struct frame_map *map, uint32_t slot,
                        uint32_t slot_entry)
{
    *paging = (struct direct_paging){.map = map,
                                     .frames = memory_frames(map->pool->memory),
                                     .root = FRAMES_NONE,
                                     .slot = slot,
                                     .slot_entry = slot_entry};
    paging->frame = calloc(paging->frames, sizeof *paging->frame);
    return paging->frame;
}

void direct_paging_destroy(struct direct_paging *paging)
{
    free(paging->frame);
    *paging = (struct direct_paging){0};
}

/* ---- a recount ---- */

static bool wrong(char *why, const char *what, uint32_t frame)
{
    snprintf(why, 128, "%s, frame %u", what, frame);
    return false;
}

/* Adds to `counts` what the table in `frame` refers to. */
static bool recount(const struct direct_paging *paging, uint32_t frame, uint32_t *counts, char *why)
{
    enum direct_type type = paging->frame[frame].type;

    for (uint32_t i = 0; i < ENTRIES; i++) {
        uint32_t entry = entries(paging, frame)[i], to = entry >> MEMORY_FRAME_SHIFT;
        enum direct_type wanted = refers(type, entry);
        if (is_vmm_slot(paging, type, i)) {
            if ((entry & ~(uint32_t)X86_PTE_A) != (paging->slot_entry & ~(uint32_t)X86_PTE_A))
                return wrong(why, "the VMM's slot was changed", frame);
            continue;
        }
        if (!(entry & X86_PTE_P))
            continue;
        if (!owned(paging, to) || (entry & FORBIDDEN))
            return wrong(why, "an entry leads to another's frame, or has a forbidden bit", frame);
        if (wanted == DIRECT_NONE)
            continue;
        if (paging->frame[to].type != wanted)
            return wrong(why, "a frame is used in two ways", to);
        counts[to]++;
    }
    return true;
}

bool direct_paging_check(const struct direct_paging *paging, uint32_t held, char *why)
{
    uint32_t *counts = calloc(paging->frames, sizeof *counts);
    bool good = counts || wrong(why, "the host has no memory", 0);

    for (uint32_t frame = 0; good && frame < paging->frames; frame++) {
        const struct direct_frame *f = &paging->frame[frame];
        bool is_table = f->count > 0 && f->type >= DIRECT_TABLE;
        counts[frame] += f->pinned + (paging->root == frame << MEMORY_FRAME_SHIFT);
        good = !is_table || recount(paging, frame, counts, why);
    }
    for (uint32_t frame = 0; good && frame < paging->frames; frame++) {
        const struct direct_frame *f = &paging->frame[frame];
        uint32_t more = f->count - counts[frame];
        if (f->count > 0 && f->type == DIRECT_WRITABLE && more > 0 && more <= held)
            held -= more;
        else if (more != 0)
            good = wrong(why, "a count is wrong", frame);
    }
    free(counts);
    return good;
}
